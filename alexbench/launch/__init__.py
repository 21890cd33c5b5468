"""Where runs are executed: each launcher is one file with one function, ``launch``."""
