"""`make bench`: how fast the real processes are on this machine. Prints a table, writes bench/results/<date>.json."""
