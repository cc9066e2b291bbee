"""What is handed to the API, and what it answers."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Self

from txn.client.errors import Refused, Unavailable, refused

#: States that a transaction leaves only if an operator acts.
FINAL = frozenset({"completed", "failed"})


def _new_key() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True)
class Submission:
    """A transaction to be submitted. `amount` is a Decimal, an int or a text such as "100.50": never a float.

    `key` is its idempotency key, a new one if none is given: whoever submits the same object again submits the same
    transaction. With `id`, your own id for it, no key is made.
    """

    amount: Decimal | int | str
    currency: str
    description: str
    metadata: Mapping[str, Any] | None = None
    id: str | None = None
    key: str | None = field(default=None)
    #: No POST begins after it. It is not part of the content.
    deliver_by: datetime | None = None
    #: Told how it has ended, if its host is allowed. It is not part of the content.
    callback_url: str | None = None

    def __post_init__(self) -> None:
        if self.deliver_by is not None and self.deliver_by.utcoffset() is None:
            raise ValueError("deliver_by has no time zone: give it one, such as datetime.UTC")
        if isinstance(self.amount, float):
            raise TypeError("amount is a float, which cannot hold every amount: give a Decimal, an int or a text")
        if self.key is None and self.id is None:
            object.__setattr__(self, "key", _new_key())

    @property
    def repeats_as(self) -> str:
        """The key or the id that a repeat must have."""
        return self.key or self.id or ""

    def to_json(self) -> dict[str, Any]:
        """As the API takes it, without the key."""
        amount = format(self.amount, "f") if isinstance(self.amount, Decimal) else self.amount
        content = {"amount": amount, "currency": self.currency, "description": self.description}
        more = {"metadata": None if self.metadata is None else dict(self.metadata), "id": self.id}
        more["callbackUrl"] = self.callback_url
        more["deliverBy"] = None if self.deliver_by is None else self.deliver_by.isoformat()
        return content | {name: value for name, value in more.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a transaction has failed: a stable code, and a sentence for people."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction as the API shows it. Times are in UTC; `completed_at` is also when it failed.

    `replayed`: this submit was a repeat of an earlier one.
    """

    id: str
    status: str
    submitted_at: datetime
    completed_at: datetime | None = None
    failure: Failure | None = None
    replayed: bool = False
    deliver_by: datetime | None = None

    @property
    def is_final(self) -> bool:
        """Whether it is completed or failed."""
        return self.status in FINAL

    @classmethod
    def from_json(cls, found: Mapping[str, Any], *, replayed: bool = False) -> Self:
        """Raises: KeyError, TypeError, ValueError, if it is none."""
        ended, error, expiry = found["completedAt"], found["error"], found.get("deliverBy")
        return cls(
            id=str(found["transactionId"]),
            status=str(found["status"]),
            submitted_at=datetime.fromisoformat(found["submittedAt"]),
            completed_at=None if ended is None else datetime.fromisoformat(ended),
            failure=None if error is None else Failure(str(error["code"]), str(error["detail"])),
            replayed=replayed,
            deliver_by=None if expiry is None else datetime.fromisoformat(expiry),
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Some of your transactions, the newest first, and the cursor behind them; None at the end. There may be fewer than
    were asked for, or none, before the end.

    `unreadable`: ids whose records the API cannot read now.
    """

    transactions: list[Transaction]
    cursor: str | None
    unreadable: list[str]

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """Raises: KeyError, TypeError, ValueError, if it is none."""
        cursor = found["cursor"]
        transactions = [Transaction.from_json(one) for one in found["transactions"]]
        return cls(transactions, None if cursor is None else str(cursor), list(found.get("unreadable") or ()))


@dataclass(frozen=True, slots=True)
class Change:
    """A transaction has become completed, failed (`error_code` says why) or, by an operator's replay, pending again."""

    transaction_id: str
    status: str
    changed_at: datetime
    error_code: str | None

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """Raises: KeyError, TypeError, ValueError, if it is none."""
        changed_at, code = datetime.fromisoformat(found["changedAt"]), found["errorCode"]
        return cls(str(found["transactionId"]), str(found["status"]), changed_at, code)


@dataclass(frozen=True, slots=True)
class Changes:
    """Changes, the oldest first, and the cursor behind them: store it together with what you have done about them."""

    changes: list[Change]
    cursor: str

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """Raises: KeyError, TypeError, ValueError, if it is none."""
        return cls([Change.from_json(one) for one in found["events"]], str(found["cursor"]))


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of one transaction of a batch.

    `result`: created, replayed, conflict, invalid or unavailable; there is either a `transaction` or an `error`.
    """

    submission: Submission
    result: str
    transaction: Transaction | None = None
    error: Refused | Unavailable | None = None

    @classmethod
    def from_json(cls, submission: Submission, found: Mapping[str, Any]) -> Self:
        """Raises: KeyError, TypeError, ValueError, if it is none."""
        result = str(found["result"])
        if "transaction" in found:
            transaction = Transaction.from_json(found["transaction"], replayed=result == "replayed")
            return cls(submission, result, transaction)
        problem = found["problem"]
        if result == "unavailable":
            return cls(submission, result, error=Unavailable(str(problem["detail"]), [submission.repeats_as]))
        return cls(submission, result, error=refused(int(problem["status"]), problem))
