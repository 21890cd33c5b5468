"""A run on disk: its plan, its record, its files and its lock. No torch."""
