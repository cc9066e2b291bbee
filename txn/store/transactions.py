"""The record of every transaction: one atomic call a verb. The scripts compare, the rules decide."""

from collections.abc import Callable, Sequence
from typing import Any

import redis

from txn import __version__
from txn.errors import ContentConflict, NotFound, RecordUnreadable
from txn.model.claim import Claim
from txn.model.outcome import (
    Clear,
    Completed,
    Doubt,
    Failed,
    Maybe,
    Mode,
    Outcome,
    Released,
    Retry,
    Settlement,
    SettleReply,
)
from txn.model.submission import Submission
from txn.model.transaction import Failure, Status, Transaction
from txn.settings import Settings
from txn.store.fields import whole
from txn.store.keys import Keys
from txn.store.scripts import Scripts, unavailable

#: Text of errors in records is cut to this many characters.
MAX_DETAIL = 300

#: How often a call whose answer was lost is repeated. An accept keeps a client waiting; a settle holds the knowledge of
#: what became of a POST, and outlasts a restart of Redis.
ACCEPT_REPEATS = 1
CLAIM_REPEATS = 2
SETTLE_REPEATS = 6


class Store:
    """All verbs of a transaction's life.

    `template` is the Dramatiq message that wakes a worker up, with @ID@, @MESSAGE@ and @NOW@ in it. `shift_ms` moves
    Redis's clock as this store sees it: tests pass one.
    Every method raises StoreUnavailable; what was being written may have been written all the same.
    """

    def __init__(
        self,
        client: redis.Redis,
        keys: Keys,
        template: str,
        settings: Settings,
        shift_ms: Callable[[], int] = lambda: 0,
    ) -> None:
        self._client = client
        self._scripts = Scripts(client)
        self._keys = keys
        self._template = template
        self._settings = settings
        self._shift_ms = shift_ms
        self._claims_seen = 0

    def accept(self, submission: Submission) -> tuple[Transaction, bool]:
        """Store a new transaction, or find the one that is there already: (the transaction, whether it is new).

        Raises: ContentConflict, if the id is known with other content; RecordUnreadable.
        """
        keys = self._keys
        reply = self._scripts.run(
            "accept",
            [
                keys.record(submission.id),
                keys.payload(submission.id),
                keys.due,
                keys.count,
                keys.minute,
                keys.messages,
                keys.message_bodies,
            ],
            [
                submission.id,
                submission.fingerprint,
                submission.payload,
                self._settings.grace_ms,
                self._template,
                self._shift_ms(),
            ],
            repeats=ACCEPT_REPEATS,
        )
        if reply[0] == b"accepted":
            return Transaction(submission.id, Status.PENDING, int(reply[1])), True
        if reply[0] == b"other":
            named_by = "Idempotency-Key" if submission.named_by == "key" else "id"
            raise ContentConflict(named_by, f"this {named_by} was used before, with other content")
        # Nobody else can know a random id: we stored it ourselves, and the answer to that was lost.
        return _transaction(submission.id, reply[1:]), submission.named_by == "random"

    def read(self, transaction_id: str) -> Transaction:
        """The transaction as clients see it.

        Raises: NotFound, RecordUnreadable.
        """
        try:
            fields: Any = self._client.hmget(
                self._keys.record(transaction_id), ["status", "submitted", "completed", "code", "detail"]
            )
        except redis.RedisError as error:
            raise unavailable(error) from error
        if fields[0] is None and fields[1] is None:
            raise NotFound("there is no transaction with this id")
        return _transaction(transaction_id, fields)

    def claim(self, transaction_id: str, owner: str) -> Claim | None:
        """Take a transaction for one delivery, or None: unknown, finished, not due yet, or somebody else's.

        `owner` is a fresh random nonce. Repeating a claim with the same nonce gives the same answer.
        """
        keys, settings = self._keys, self._settings
        reply = self._scripts.run(
            "claim",
            [
                keys.record(transaction_id),
                keys.payload(transaction_id),
                keys.due,
                keys.count,
                keys.minute,
                keys.epoch,
                keys.posting,
            ],
            [
                transaction_id,
                owner,
                settings.lease_ms,
                settings.doubt_window_ms,
                settings.max_attempts,
                self._claims_seen,
                self._shift_ms(),
            ],
            repeats=CLAIM_REPEATS,
        )
        self._saw(reply[-1])
        if reply[0] != b"claimed":
            return None
        _, mode, payload, *numbers, others, error, _ = reply
        submitted_ms, attempts, counted, tries, unanswered_ms = map(int, numbers)
        return Claim(
            id=transaction_id,
            owner=owner,
            mode=Mode(mode.decode()),
            payload=payload,
            submitted_ms=submitted_ms,
            attempts=attempts,
            counted=counted,
            tries=tries,
            unanswered_ms=unanswered_ms,
            others=bool(others),
            last_error=error.decode(errors="replace"),
        )

    def settle(self, transaction_id: str, owner: str, settlement: Settlement) -> SettleReply:
        """Write down how a delivery ended: `settled`, or why that was refused."""
        keys, outcome = self._keys, settlement.outcome
        kind, code, detail, wait_ms, counts = _described(outcome)
        doubt, doubt_ms = _doubt(getattr(outcome, "doubt", Clear()))
        answer = self._scripts.run(
            "settle",
            [
                keys.record(transaction_id),
                keys.due,
                keys.count,
                keys.minute,
                keys.epoch,
                keys.posting,
                keys.failed,
                f"{keys.failed}:",
                keys.dead_messages,
                keys.dead_message_bodies,
            ],
            [
                transaction_id,
                owner,
                kind,
                doubt,
                doubt_ms,
                wait_ms,
                int(counts),
                int(settlement.answered),
                int(settlement.taken),
                settlement.outage[:MAX_DETAIL],
                code,
                detail[:MAX_DETAIL],
                settlement.history,
                self._template,
                self._shift_ms(),
            ],
            repeats=SETTLE_REPEATS,
        )
        reply: SettleReply = answer[-1].decode()
        return reply

    def due(self, limit: int) -> tuple[int, int]:
        """Look at up to `limit` transactions whose time has come: (looked at, queued again)."""
        keys, settings = self._keys, self._settings
        looked, queued, claims = self._scripts.run(
            "due",
            [
                *(keys.due, keys.record(""), keys.count, keys.epoch, keys.messages, keys.message_bodies),
                *(keys.failed, f"{keys.failed}:", keys.dead_messages, keys.dead_message_bodies, keys.payload("")),
            ],
            [
                limit,
                settings.grace_ms,
                settings.patience_ms,
                settings.lease_ms,
                settings.doubt_window_ms,
                self._claims_seen,
                self._template,
                settings.longest_wait_ms,
                self._shift_ms(),
            ],
        )
        self._saw(claims)
        return looked, queued

    def replay(self, transaction_id: str, history: str) -> str:
        """Send a failed transaction on its way again: `replayed`, `unknown` or `not_failed`.

        `history` says who and why, as one line of JSON.
        """
        [verdict] = self.operate("replay", [transaction_id], history)
        return "replayed" if verdict == "done" else verdict

    def discard(self, transaction_id: str, history: str) -> str:
        """Take a dead letter off the list; it stays `failed`: `discarded`, `unknown` or `not_failed`."""
        [verdict] = self.operate("discard", [transaction_id], history)
        return "discarded" if verdict == "done" else verdict

    def operate(self, what: str, ids: Sequence[str], history: str, who: str = "", why: str = "") -> list[str]:
        """`replay` or `discard` dead letters, and write it into the journal: `done`, `unknown` or `not_failed` of each.

        `history` is the line for the records, as JSON.
        """
        keys = self._keys
        names = [keys.record(""), keys.due, keys.count, keys.failed, f"{keys.failed}:", keys.dead_messages]
        names += [keys.dead_message_bodies, keys.journal]
        reply = self._scripts.run("operate", names, [what, history, who, why, self._shift_ms(), *ids])
        return [verdict.decode() for verdict in reply]

    def cleanup(self) -> int:
        """Delete everything under our prefix, in chunks: how many keys. For tests; not atomic.

        The claim counter stays, or living workers would take the cleanup for a Redis that lost data.
        """
        kept, deleted = self._keys.epoch.encode(), 0
        try:
            cursor = 0
            while True:
                cursor, found = self._client.scan(cursor, match=f"{self._keys.prefix}*", count=1000)
                if names := [name for name in found if name != kept]:
                    deleted += int(self._client.unlink(*names))
                if cursor == 0:
                    return deleted
        except redis.RedisError as error:
            raise unavailable(error) from error

    def _saw(self, claims: Any) -> None:
        # Threads may write this at once; the lower of two numbers that both came from Redis is as good.
        self._claims_seen = max(self._claims_seen, int(claims))


def _described(outcome: Outcome) -> tuple[str, str, str, int, bool]:
    """(kind, code or evidence, detail, wait ms, counts) of an outcome, as settle.lua takes them."""
    match outcome:
        case Completed(evidence):
            return "complete", evidence.value, "", 0, True
        case Failed(code, detail):
            return "fail", code.value, detail, 0, True
        case Retry(cause, detail, _, wait_ms):
            return "retry", cause.value, detail, wait_ms, outcome.counts
        case Released():
            return "release", "", "", 0, False


def _doubt(doubt: Doubt) -> tuple[str, int]:
    """(doubt, its ms), as settle.lua takes them."""
    if isinstance(doubt, Maybe):
        return "maybe", doubt.for_ms
    return ("clear" if isinstance(doubt, Clear) else "keep"), 0


def _transaction(transaction_id: str, fields: list[bytes | None]) -> Transaction:
    status, submitted, completed, code, detail = (
        None if field is None else field.decode(errors="replace") for field in fields
    )
    submitted_ms = whole(submitted)
    if status not in _KNOWN or submitted_ms is None:
        raise RecordUnreadable(
            f"the record of {transaction_id} is in a state that txn {__version__} cannot read: ask a newer version"
        )
    failure = Failure(code, detail or "") if status == Status.FAILED and code is not None else None
    return Transaction(transaction_id, Status(status), submitted_ms, whole(completed), failure)


_KNOWN = frozenset(Status)
