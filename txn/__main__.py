"""`python -m txn`, and `txn` where it is installed."""

import sys

from txn.cli import INTERRUPTED

#: Not an answer: nothing was looked at.
_CANNOT = 2


def main() -> None:
    """Ctrl-C ends it without a traceback, in the first second too; a Python that lacks something, with a sentence."""
    try:
        if sys.version_info < (3, 11):  # noqa: UP036  (whoever runs it from a checkout may have any)
            _cannot("Python {}.{} is too old: 3.11 or newer is needed".format(*sys.version_info[:2]))
        try:
            from txn.cli.app import run  # noqa: PLC0415  (takes most of that second)
        except ModuleNotFoundError as error:
            if (error.name or "txn").partition(".")[0] == "txn":
                raise
            _cannot(f"this Python has no {error.name}")
        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _cannot(why: str) -> None:
    way = "in a checkout use .venv/bin/txn, which `make run` makes; elsewhere pip install 'txn[server]'"
    sys.stderr.write(f"txn: {why} ({sys.executable}): {way}\n")
    sys.exit(_CANNOT)


if __name__ == "__main__":
    main()
