"""What a call can end in beside its answer.

ClientError
├── Refused             repeating it unchanged is no use; nothing was stored
│   ├── Invalid         something in the request is wrong (400, 413, 415, ...)
│   ├── NotFound        there is no such transaction (404)
│   ├── Conflict        the key or the id was used with other content (409, 422)
│   ├── CursorExpired   the feed does not keep any more what came behind this cursor (410)
│   ├── NotAllowed      the credential is missing, wrong, or does not allow this (401, 403)
│   └── BatchRefused    an atomic batch was not stored (422)
├── CallbackRefused     a callback must not be believed; answer it with 400
│   ├── NotSigned       the headers of a signature are missing, or are none
│   ├── WrongSignature  it was signed with another secret, or changed on the way
│   └── OutOfTime       it was signed too long ago, or a clock is wrong
├── Unavailable         not answered, or refused for now, for as long as the client is patient; it may have been stored
└── UnexpectedAnswer    what answers at this URL is not txn's API
"""

from collections.abc import Mapping, Sequence
from typing import Any


class ClientError(Exception):
    """Base of all of them."""


class Refused(ClientError):
    """The API has refused the request. `document` is its answer, see docs/use/api.md; `code` is stable.

    `errors`: all that is wrong, as (field, sentence).
    """

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        self.status, self.document = status, document
        self.code, self.detail = str(document.get("code")), str(document.get("detail"))
        self.field: str | None = document.get("field")
        listed: Sequence[Mapping[str, Any]] = document.get("errors") or ()
        self.errors = [(str(one.get("field")), str(one.get("detail"))) for one in listed]
        super().__init__(f"{self.field}: {self.detail}" if self.field else self.detail)


class Invalid(Refused):
    """Something in the request is wrong; `field` says what, and `errors` what else."""


class NotFound(Refused):
    """There is no such transaction."""


class Conflict(Refused):
    """The idempotency key or the id was used before, with other content; `differs` names the fields."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        super().__init__(status, document)
        self.differs: list[str] = list(document.get("differs") or ())


class NotAllowed(Refused):
    """The API key is missing or wrong, or does not allow this."""


class CursorExpired(Refused):
    """The feed does not keep any more what came behind this cursor.

    Look at your unfinished transactions one by one, and begin again without a cursor.
    """


class BatchRefused(Refused):
    """Nothing of an atomic batch was stored; `results` has one entry for each transaction, as the API sent it."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        super().__init__(status, document)
        self.results: list[dict[str, Any]] = list(document.get("results") or ())


class CallbackRefused(ClientError):
    """A callback must not be believed. The message says why, and shows nothing of it."""


class NotSigned(CallbackRefused):
    """The headers of a signature are missing, or are none."""


class WrongSignature(CallbackRefused):
    """It was signed with another secret, or changed on the way."""


class OutOfTime(CallbackRefused):
    """It was signed too long ago: perhaps somebody sends an old one again. Or a clock is wrong."""


class Unavailable(ClientError):
    """No answer, or none that is final. What was sent may have been stored: repeat it with the same keys.

    `keys`: those of what was to be submitted, also those that the client has made.
    """

    def __init__(self, message: str, keys: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.keys = list(keys)


class UnexpectedAnswer(ClientError):
    """What answers at this URL is not txn's API: another service, or a proxy's page."""


_BY_STATUS: Mapping[int, type[Refused]] = {
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    410: CursorExpired,
    422: Conflict,
}


def refused(status: int, document: Mapping[str, Any]) -> Refused:
    """The error that a problem document is."""
    kind = BatchRefused if document.get("code") == "batch_refused" else _BY_STATUS.get(status, Invalid)
    return kind(status, document)
