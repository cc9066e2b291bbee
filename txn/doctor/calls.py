"""How long the posting service takes, and whether it answers each time."""

import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from txn.doctor.finding import Finding, Level
from txn.doctor.posting import NOTHING
from txn.posting.results import Unknown
from txn.posting.service import PostingService
from txn.settings import Settings

_TIMES = 5


@dataclass(frozen=True, slots=True)
class Calls:
    """Some GETs: how long those took that were answered, and why the others were not."""

    took_ms: Sequence[float]
    failed: Sequence[str]

    @property
    def typical_ms(self) -> float | None:
        """None if nothing was answered."""
        return median(self.took_ms) if self.took_ms else None


def some(service: PostingService) -> Calls:
    """GETs of ids that nobody has posted. They take one deadline in all, or little more."""
    took_ms: list[float] = []
    failed: list[str] = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        found = service.find(f"txn-doctor-{uuid.uuid4()}", NOTHING)
        if isinstance(found, Unknown):
            failed.append(found.detail.removeprefix("GET: "))
            if found.status is None:  # it may have taken until the deadline
                break
        else:
            took_ms.append((time.perf_counter() - began) * 1000)
    return Calls(took_ms, failed)


def check(settings: Settings, calls: Calls) -> Iterator[Finding]:
    """Whether they were answered, and in time."""
    if calls.failed:
        found = f"of {len(calls.took_ms) + len(calls.failed)} GETs {len(calls.failed)} failed: {calls.failed[0]}"
        do = "find out why it fails sometimes: deliveries are repeated until it answers"
        yield Finding("posting GET", Level.WARN, found, do)
    if not calls.took_ms:
        return
    slowest = max(calls.took_ms)
    found = f"a GET takes {median(calls.took_ms):,.1f} ms; the slowest of {len(calls.took_ms)} took {slowest:,.1f} ms"
    if slowest > settings.posting_timeout_ms / 2:
        do = "raise TXN_POSTING_TIMEOUT_MS: a call that ends at the deadline leaves a doubt, which takes time"
        yield Finding("posting speed", Level.WARN, found, do)
    else:
        yield Finding("posting speed", Level.OK, found)
