"""A log call must not raise: whoever makes one may hold a transaction. What cannot be said is said as far as it can."""

import logging
from contextlib import suppress
from typing import Any

_PLAIN = (str, int, float, bool, type(None))
#: Fields that every record has; all others are somebody's `extra`.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def as_text(value: object) -> str:
    """`value` as text, whatever its own methods do."""
    if isinstance(value, str):
        return value
    try:
        return str(value)
    except Exception:  # noqa: BLE001
        return f"<{type(value).__name__} that cannot be shown>"


class Formatter(logging.Formatter):
    """As `inner`; of a record that this cannot format (wrong arguments, a value that raises) whatever can be said."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`. Raises nothing."""
        try:
            return self._inner.format(record)
        except Exception as error:  # noqa: BLE001
            with suppress(Exception):
                return self._inner.format(_simplified(record, error))
            return f'{{"event": "a log line that cannot be formatted", "level": "{record.levelname.lower()}"}}'


class StreamHandler(logging.StreamHandler[Any]):
    """The standard one writes its own errors to the same stream, in several lines, and raises if that is closed."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line, or lose it: a pipe nobody reads from, a full disk, a closed stream."""
        with suppress(Exception):
            self.stream.write(self.format(record) + self.terminator)
            self.flush()

    def flush(self) -> None:
        """See `logging.StreamHandler.flush`."""
        with suppress(Exception):
            super().flush()


def _simplified(record: logging.LogRecord, error: Exception) -> logging.LogRecord:
    """The message without its arguments, and every field as text."""
    found = logging.LogRecord(
        record.name, record.levelno, record.pathname, record.lineno, as_text(record.msg), (), record.exc_info
    )
    for name, value in vars(record).items():
        if name not in _OWN:
            setattr(found, name, value if isinstance(value, _PLAIN) else as_text(value))
    found.unformatted = f"{type(error).__name__}: {as_text(error)} ({record.filename}:{record.lineno})"
    return found
