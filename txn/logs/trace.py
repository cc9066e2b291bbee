"""Which trace a line of the log belongs to: that of the submit whose transaction is being delivered."""

import logging
from contextvars import ContextVar

#: 32 hex digits, or empty. Each delivery is a task of its own, and so has its own.
TRACE_ID: ContextVar[str] = ContextVar("TRACE_ID", default="")


def stamp(record: logging.LogRecord) -> bool:
    """A filter that keeps every record, for a handler: in whose context it is called, that of who logs."""
    if trace_id := TRACE_ID.get():
        record.trace_id = trace_id
    return True
