"""Which request a line of the log is about: the id that its client chose, or one of ours."""

import logging
import re
from contextvars import ContextVar
from random import getrandbits

HEADER = "X-Request-Id"
#: The id of the request that this greenlet or thread works for; empty: for none.
REQUEST_ID: ContextVar[str] = ContextVar("REQUEST_ID", default="")

#: Visible characters but quotes: it stands in headers and lines of logs as it is.
_is_id = re.compile("[!#-&(-~]{1,128}").fullmatch


def begin(sent: str | None = None) -> None:
    """From now on the work is for this request. Its id is the one that was sent with it; a new one, if that is none."""
    REQUEST_ID.set(sent if sent and _is_id(sent) else new())


def new() -> str:
    """32 random hex digits: unlike all others, but not hard to guess."""
    return f"{getrandbits(128):032x}"


def stamp(record: logging.LogRecord) -> bool:
    """A filter that keeps every record, for a handler: in whose context it is called, that of who logs."""
    if request_id := REQUEST_ID.get():
        record.request_id = request_id
    return True
