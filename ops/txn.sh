#!/bin/sh
# The command `txn` of a checkout, as .venv/bin/txn: its own Python and its own code, from whatever folder it is called.
root=$(cd "$(dirname "$0")/../.." && pwd) || exit 2
PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec "$root/.venv/bin/python" -P -m txn "$@"
