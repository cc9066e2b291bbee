"""The command line: `python -m txn`."""

#: The exit code of a process that Ctrl-C has ended, as the shell says it.
INTERRUPTED = 130
