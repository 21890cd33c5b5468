"""Statistics: records in, comparison rows out. No torch."""
