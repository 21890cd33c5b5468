"""The throughput gate: two revisions timed in turn."""
