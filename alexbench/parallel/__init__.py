"""One run on several devices: the paper's two columns, data parallelism, and the hybrid of both.

Nothing here is imported with the package, so that ``needs`` and ``cost`` load without torch.
"""
