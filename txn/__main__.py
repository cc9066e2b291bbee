"""`python -m txn`."""

from txn.cli.app import app

app(prog_name="python -m txn")
