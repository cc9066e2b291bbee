"""Times in requests."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

from pydantic_core import PydanticCustomError

#: RFC 3339, with a zone; and as a schema says it.
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
MOMENT_PATTERN = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$"
_EPOCH = datetime.fromtimestamp(0, UTC)
_NO_TIME: LiteralString = "must be an RFC 3339 time with its zone, such as 2026-11-28T18:15:00Z"


def moment_ms(value: Any) -> int | None:
    """A time of a request, in ms since the epoch, rounded down: never later than what was said. For pydantic."""
    if value is None:
        return None
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise PydanticCustomError("moment", _NO_TIME)
    try:
        # In UTC, or it could be one in the year 10000, which no answer could show.
        return (datetime.fromisoformat(value.upper()).astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        raise PydanticCustomError("moment", _NO_TIME) from None
