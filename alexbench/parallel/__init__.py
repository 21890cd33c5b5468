"""One run on several devices: the paper's two columns, data parallelism, and the hybrid of both.

Modules that need torch are imported late, so that ``cost`` loads without it.
"""
