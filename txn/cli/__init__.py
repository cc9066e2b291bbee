"""The command line: `python -m txn`."""
