"""What txn says while it runs: one line an event, JSON for machines, colours for a terminal."""
