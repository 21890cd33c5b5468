"""From a Run to a RunRecord: load, train, evaluate, write."""
