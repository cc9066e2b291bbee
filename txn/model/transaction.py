"""A transaction as it is known to txn, and as clients see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any


class Status(StrEnum):
    """Where a transaction is. Nothing leaves `completed`; only an operator's replay leaves `failed`."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


class Evidence(StrEnum):
    """How we know that the posting service holds it."""

    POSTED = "posted"
    VERIFIED = "verified"
    FOUND = "found"


class ErrorCode(StrEnum):
    """Why a transaction is `failed`."""

    REJECTED = "rejected"
    EXHAUSTED = "exhausted"
    CONFLICT = "conflict"
    UNDECIDED = "undecided"
    CRASHED_WORKER = "crashed_worker"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


#: How a conflict's detail begins; which fields differ comes after it.
OTHER_CONTENT = "the posting service holds this id with other content"

#: What each of them says, for whoever reads it for the first time.
MEANINGS: Mapping[str, str] = {
    Evidence.POSTED: "the POST was answered with 200 or 201, and the id",
    Evidence.VERIFIED: "the POST's answer did not prove it; the GET after it found the transaction",
    Evidence.FOUND: "the GET before a POST found it",
    ErrorCode.REJECTED: "the posting service refused it. It is not posted.",
    ErrorCode.EXHAUSTED: "every attempt failed. When it was last looked for, as it failed, it was not there.",
    ErrorCode.CONFLICT: f"{OTHER_CONTENT}. A person must decide.",
    ErrorCode.UNDECIDED: "the posting service does not answer for this id. A person must decide.",
    ErrorCode.EXPIRED: "it could not be posted before its deliverBy. It is not posted.",
    ErrorCode.CANCELLED: "its client took it back. It was never posted.",
    ErrorCode.CRASHED_WORKER: "three workers did not come back from delivering it. A person must decide.",
}

#: Of these nobody knows whether they are posted: a person must decide.
FOR_A_PERSON = frozenset({ErrorCode.CONFLICT, ErrorCode.UNDECIDED, ErrorCode.CRASHED_WORKER})


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a transaction failed: a stable code and one line for people."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Transaction:
    """What a client may know of a transaction. Times are milliseconds since the epoch on Redis's clock."""

    id: str
    status: Status
    submitted_ms: int
    completed_ms: int | None = None
    failure: Failure | None = None
    deliver_by_ms: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The shape of the wire contract."""
        expiry = {} if self.deliver_by_ms is None else {"deliverBy": rfc3339(self.deliver_by_ms)}
        return {
            "transactionId": self.id,
            "status": self.status.value,
            "submittedAt": rfc3339(self.submitted_ms),
            "completedAt": None if self.completed_ms is None else rfc3339(self.completed_ms),
            "error": None if self.failure is None else {"code": self.failure.code, "detail": self.failure.detail},
            **expiry,
        }


def rfc3339(ms: int) -> str:
    """UTC with milliseconds and `Z`."""
    seconds, ms = divmod(ms, 1000)
    return f"{_second(seconds)}.{ms:03d}Z"


@lru_cache(maxsize=256)  # most of those that are written lie in a few seconds
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"
