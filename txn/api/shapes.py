"""What the API answers, as models, for /openapi.json. Answers do not pass through them; tests/api hold them to it.

Those of operators are in `txn/api/operate/shapes.py`.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from txn.model.transaction import ErrorCode, Status

Unsigned = Annotated[int, Field(ge=0)]


class Shape(BaseModel):
    """Names in JSON are in camel case. Members may be added."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Failure(Shape):
    """Why a transaction failed."""

    code: ErrorCode
    detail: str


class Attempt(Shape):
    """A delivery. `detail` and `worker` only for whoever sees the whole system."""

    at: datetime
    attempt: int | None
    mode: str | None
    outcome: str | None
    http: int | None
    ms: int | None
    detail: str | None = None
    worker: str | None = None


class Transaction(Shape):
    """A transaction as it is now."""

    transaction_id: str
    status: Status
    submitted_at: datetime
    completed_at: datetime | None
    error: Failure | None
    attempts: list[Attempt] = Field(default=[], description="if asked for: the latest, the oldest first")
    deliver_by: datetime | None = Field(
        default=None, description="no POST begins after it; left out if it does not expire"
    )


class Told(Shape):
    """The body of a callback. Its `type` may be one that you do not know: then answer 204, and do nothing."""

    type: Literal["transaction.completed", "transaction.failed"]
    timestamp: datetime = Field(description="when that was")
    data: Transaction = Field(description="as GET showed it at that moment")


class Transactions(Shape):
    """Some that match. `unreadable`: ids whose records this version of txn cannot read."""

    transactions: list[Transaction]
    cursor: str | None = Field(default=None, description="for `cursor`, to ask for those after these; null at the end")
    unreadable: list[str] = []


class Change(Shape):
    """A transaction has come into a state."""

    transaction_id: str
    status: Literal["completed", "failed", "pending"]
    changed_at: datetime
    error_code: ErrorCode | None


class Changes(Shape):
    """Changes, the oldest first, and the cursor behind them."""

    events: list[Change]
    cursor: str


class Wrong(Shape):
    """A field that is wrong, and what is wrong with it."""

    field: str
    detail: str


class ProblemParts(Shape):
    """What is said of an error. `code` is stable, and there may be new ones: then go by status and retryable."""

    status: int
    code: str
    retryable: bool
    detail: str
    field: str = Field(default="", description="the field, header or parameter that is wrong")
    errors: list[Wrong] = Field(default=[], description="all fields that are wrong, at most 20")
    differs: list[str] = Field(default=[], description="of a conflict: the fields that are not as they were")
    hint: str = ""


class Problem(ProblemParts):
    """RFC 9457."""

    type: str
    title: str


class BatchResult(Shape):
    """What became of one transaction of a batch."""

    result: Literal["created", "replayed", "conflict", "invalid", "unavailable", "not_stored"]
    transaction: Transaction | None = None
    problem: ProblemParts | None = None


class BatchResults(Shape):
    """One for each transaction, in their order."""

    results: list[BatchResult]


class BatchRefused(Problem, BatchResults):
    """An atomic batch of which nothing was stored."""


class PostingService(Shape):
    """As deliveries have met it."""

    state: Literal["unknown", "answering", "away", "refusing", "returning"]
    last_answered: datetime | None
    reason: str | None
    breaker: Literal["closed", "open", "half"]
    opened_at: datetime | None
    next_probe: datetime | None
    held: Unsigned
    held_until: datetime | None


class Pause(Shape):
    """Of an operator."""

    by: str
    why: str
    since: datetime | None
    until: datetime | None


class Limits(Shape):
    """On what goes out, as an operator has set them."""

    in_flight: int | None
    in_use: int | None
    rate: str | None
    by: str
    why: str
    since: datetime | None


class Health(Shape):
    """What it is like. To strangers, where there are API keys, the status only; with Redis away, not all of it."""

    status: Literal["healthy", "degraded", "unhealthy"]
    problems: list[str] = Field(default=[], description="sentences")
    uptime: Unsigned = 0
    version: str = ""
    queue_depth: Unsigned = 0
    retry_count: Unsigned = 0
    error_rate: float = 0
    posting_service: PostingService | None = None
    paused: Pause | None = None
    limits: Limits | None = None


class Alive(Shape):
    """It answers."""

    status: Literal["alive"]


class Readiness(Shape):
    """Whether transactions are accepted."""

    status: Literal["ready", "unready"]
    reason: str = ""


class Deleted(Shape):
    """How many keys."""

    deleted: Unsigned


class Service(Shape):
    """Where what is."""

    service: Literal["txn"]
    version: str
    links: dict[str, Any]
