"""Everything txn refuses or cannot do, as one tree. Those with a file live beside what raises them.

TxnError
├── Refused                  the caller's fault; nothing was stored
│   ├── Invalid              a field is wrong (400, or 413/415 by code)
│   ├── NotFound             no such transaction (404)
│   ├── NotCancellable       it may have been sent, or has ended (409)
│   ├── ContentConflict      the same id or key with other content (409 / 422)
│   ├── TooManySubmits       this client sends more than it may (429)
│   ├── CursorExpired        what came behind this place in the feed is not kept any more (410)
│   └── CleanupForbidden     TXN_ALLOW_CLEANUP is not set (403)
├── Unavailable              nothing is acknowledged now; repeat later with the same key (503)
│   ├── StoreUnavailable     Redis did not answer, or answered with an error
│   │   ├── StoreRefuses     ... that it takes no writes
│   │   ├── SettleLost       ... to what a delivery has found out
│   │   └── RecordUnreadable ... with a record that this version cannot read: a newer one's, or damaged
│   ├── Overloaded           too many are unfinished, or Redis is too full
│   ├── NotDurable           Redis would acknowledge what it can lose
│   ├── PostingUnavailable   the posting service's list cannot be read to its end (txn/posting/listing.py)
│   └── ApiAway              `txn submit` got no answer from the API (txn/cli/api.py)
│       └── NotSent          ... and nothing was sent
├── NoList                   the posting service has no list (txn/posting/listing.py)
├── DeliveryFailedError      what Dramatiq's get_result says of a failed transaction (txn/queue/results.py)
└── BadSettings              the process must not start
"""

import math
from collections.abc import Iterable


class TxnError(Exception):
    """Base of all errors of txn. `code` is stable: clients may switch on it."""

    code = "internal"


class Refused(TxnError):
    """The request cannot be accepted as it is; repeating it unchanged is no use."""

    code = "refused"


class Invalid(Refused):
    """Something in the request is wrong. `field` is a dotted path, `body`, `id` or a header's name.

    `others`: what else is wrong, as (field, sentence); `errors` holds this one and them.
    """

    def __init__(self, field: str, message: str, code: str = "invalid", others: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.field = field
        self.code = code
        self.errors = [(field, message), *others]


class NotFound(Refused):
    """There is no transaction with this id."""

    code = "not_found"


class ContentConflict(Refused):
    """The id or the idempotency key was used before, with other content.

    `differs`: in which fields, as far as that is known.
    """

    code = "content_conflict"

    def __init__(self, field: str, message: str, differs: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.field = field
        self.differs = list(differs)


class TooManySubmits(Refused):
    """One client sends more submits than it may. `retry_after_s`: when the next one is let in, in whole seconds."""

    code = "too_many_submits"

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = max(1, math.ceil(retry_after_s))


class CursorExpired(Refused):
    """The feed does not keep any more what came behind a cursor, or has lost it."""

    code = "cursor_expired"


class NotCancellable(Refused):
    """The transaction may have been sent to the posting service, or has ended; the message says which."""

    code = "not_cancellable"


class CleanupForbidden(Refused):
    """Emptying the store is allowed only where TXN_ALLOW_CLEANUP=1 says that it is a test system."""

    code = "cleanup_forbidden"


class Unavailable(TxnError):
    """txn cannot keep its promise now, so it makes none. `retry_after_s`: when it is worth asking again."""

    code = "unavailable"
    retry_after_s = 1


class StoreUnavailable(Unavailable):
    """Redis is away, full, read-only or too slow. What was being written may or may not have been stored."""

    code = "redis_unavailable"


class StoreRefuses(StoreUnavailable):
    """Redis answers, and takes no writes: a replica, full, its disk full. Nothing was stored."""


class SettleLost(StoreUnavailable):
    """What became of a delivery could not be written down; it may have been. The end of its lease covers it."""


class RecordUnreadable(StoreUnavailable):
    """The record of a transaction is in a state that this version does not know, or damaged. It is left alone."""

    code = "record_unreadable"


class Overloaded(Unavailable):
    """More is unfinished, or stored, than may be. What was accepted goes on; this was not stored."""

    code = "overloaded"

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotDurable(Unavailable):
    """Redis would acknowledge writes that it can lose. The message names the setting and the command that mends it."""

    code = "redis_not_durable"


class BadSettings(TxnError):
    """The environment asks for something that cannot work. The message names the variable."""

    code = "bad_settings"
