"""Local response normalization operators."""

from alexbench.kernels.lrn import IMPLEMENTATIONS, local_response_norm, resolve, why_not

__all__ = ["IMPLEMENTATIONS", "local_response_norm", "resolve", "why_not"]
