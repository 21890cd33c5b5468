"""Timing of kernels, training steps and the loader, and the throughput gate."""
