"""The types of what a GET found and a POST may have written. Which answer means which: service.py (`_classified`)."""

from dataclasses import dataclass

#: Stands before what the posting service said, which goes on to the end of a detail and may quote a payload.
SAYING = ", saying: "


@dataclass(frozen=True, slots=True)
class Found:
    """There is a row with our id. `same`: its content is ours; `differs`: the fields that are not."""

    same: bool
    status: int = 200
    differs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Absent:
    """The service itself says that it has no row with our id, now."""

    status: int = 404


@dataclass(frozen=True, slots=True)
class Unknown:
    """The GET says nothing about the row. `reached` is False if no byte of the request left."""

    detail: str
    status: int | None = None
    reached: bool = True
    retry_after_ms: int = 0


@dataclass(frozen=True, slots=True)
class Posted:
    """Answered with 200 or 201 and our id: written."""

    status: int


@dataclass(frozen=True, slots=True)
class NotPosted:
    """Provably not written, and an outage: not reached, sent away, or our set-up is wrong."""

    detail: str
    status: int | None = None
    retry_after_ms: int = 0


@dataclass(frozen=True, slots=True)
class Rejected:
    """Refused for good: it says that nothing was written, which a GET has to confirm."""

    status: int
    detail: str


@dataclass(frozen=True, slots=True)
class Uncertain:
    """May have been written. `status` is None if there was no complete answer."""

    detail: str
    status: int | None = None
    retry_after_ms: int = 0


@dataclass(frozen=True, slots=True)
class NotTried:
    """The last check before sending said no."""

    status: int | None = None


Lookup = Found | Absent | Unknown
PostResult = Posted | NotPosted | Rejected | Uncertain | NotTried

#: Our set-up is wrong, for this transaction and all others. Nothing was written.
MISCONFIGURED = frozenset({301, 302, 307, 308, 401, 403, 404, 405, 407, 421, 501, 511})
#: Sent away for now. Nothing was written.
THROTTLED = frozenset({425, 429})
#: Waited for the request in vain: as a deadline of ours that passed.
_TIMED_OUT = 408
#: Too many requests, or overloaded.
_BUSY = frozenset({429, 503})


#: Of these it may be the service that has failed.
_IN_QUESTION = (Unknown, NotPosted, Uncertain)


def service_failed(result: Lookup | PostResult) -> bool:
    """Whether the service failed (not reached, no answer in time, 5xx, 429, a wrong set-up), and not this request."""
    if not isinstance(result, _IN_QUESTION):
        return False
    status = result.status
    if status is None or not 400 <= status < 500:
        return True
    return status in MISCONFIGURED or status in THROTTLED or status == _TIMED_OUT


def asks_to_wait_ms(result: Lookup | PostResult) -> int:
    """For how long the service wants nobody to ask: the `Retry-After` of a 429 or 503."""
    if isinstance(result, _IN_QUESTION) and result.status in _BUSY:
        return result.retry_after_ms
    return 0


def unquoted(detail: str) -> str:
    """The detail of a result without what the posting service said: fit for a log."""
    return detail.partition(SAYING)[0]
