"""`python -m txn`, and `txn` where it is installed."""

import sys

from txn.cli import INTERRUPTED


def main() -> None:
    """Ctrl-C ends it without a traceback, in the first second too."""
    try:
        from txn.cli.app import run  # noqa: PLC0415  (takes most of that second)

        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
