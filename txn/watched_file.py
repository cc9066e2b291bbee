"""A file with settings that is read again when it changes."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from txn.errors import BadSettings

log = logging.getLogger(__name__)

#: How often the file is looked at, in s.
LOOK_S = 1.0
T = TypeVar("T")


class Watched(Generic[T]):
    """What `read` makes of a file. One that cannot be read leaves it as it was. `what`: what it is, in the log.

    Raises: BadSettings, at the beginning.
    """

    def __init__(
        self, path: str, read: Callable[[str], T], what: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path, self._read, self._what, self._clock = path, read, what, clock
        self._seen, self._next_look_s = _version(path), clock() + LOOK_S
        self._found = read(path)

    def __call__(self) -> T:
        """As it is now, or was a second ago."""
        if (now_s := self._clock()) >= self._next_look_s:
            self._next_look_s = now_s + LOOK_S
            self._look()
        return self._found

    def _look(self) -> None:
        # Before it is read: what changes meanwhile is seen the next time.
        if (version := _version(self._path)) == self._seen:
            return
        self._seen = version
        try:
            self._found = self._read(self._path)
        except BadSettings as error:
            log.error("%s stay as they were", self._what, extra={"detail": str(error)})
        else:
            log.info("%s were read again", self._what)


def read_text(path: str, setting: str, advice: str) -> str:
    """The text of a file that a setting names. Raises: BadSettings."""
    place = f"{setting}={path}"
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadSettings(f"{place}: the file is not text in UTF-8") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise BadSettings(f"{place}: the file cannot be read ({why}): {advice}") from None


def _version(path: str) -> tuple[int, ...] | None:
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_ctime_ns
