"""What the posting service says of one transaction now. Only a GET: nothing is posted, and nothing is written."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from txn.model.content import CONTENT, loads
from txn.posting.results import Absent, Found, Lookup
from txn.posting.service import PostingService
from txn.posting.transports import open_transport
from txn.readers.details import Details
from txn.settings import Settings


@dataclass(frozen=True, slots=True)
class Side:
    """One field of the content, as we hold it and as the posting service does; None where it is missing."""

    name: str
    ours: Any
    theirs: Any
    differs: bool


@dataclass(frozen=True, slots=True)
class Look:
    """What was answered. `row`: the posting service's own, whole, if there is one."""

    at_ms: int
    took_ms: int
    result: Lookup
    sides: list[Side]
    row: Mapping[str, Any] | None

    @property
    def what(self) -> str:
        """`same`, `different`, `absent` or `unknown`."""
        if isinstance(self.result, Found):
            return "same" if self.result.same else "different"
        return "absent" if isinstance(self.result, Absent) else "unknown"


class Looks:
    """Asks with the deadline of a delivery's GET, over a transport that is opened when it is first needed."""

    def __init__(self, settings: Settings, wall_s: Callable[[], float] = time.time) -> None:
        self._settings, self._wall_s = settings, wall_s
        self._service: PostingService | None = None

    def look(self, details: Details) -> Look:
        """Holds the calling thread until it is answered or the deadline has passed. Raises: BadSettings."""
        began_s = self._wall_s()
        result, row = self._opened().look(details.id, details.payload)
        took_ms = round((self._wall_s() - began_s) * 1000)
        return Look(round(began_s * 1000), took_ms, result, _sides(details.payload, result, row), row)

    def _opened(self) -> PostingService:
        if self._service is None:
            transport = open_transport(self._settings)
            self._service = PostingService(transport, self._settings.posting_timeout_ms)
        return self._service


def _sides(payload: bytes, result: Lookup, row: Mapping[str, Any] | None) -> list[Side]:
    if row is None or not isinstance(result, Found):
        return []
    ours = loads(payload)
    return [Side(name, ours.get(name), row.get(name), name in result.differs) for name in CONTENT]
