"""`Store`, the record of every transaction: one atomic call a verb.

Whether a delivery may POST is decided in lua/claim.lua; what an answer leads to, in txn/delivery/rules.py.
"""

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import redis

from txn.errors import ContentConflict, NotCancellable, NotFound, StoreUnavailable
from txn.model.claim import Claim
from txn.model.content import dumps
from txn.model.outcome import Settlement, SettleReply
from txn.model.submission import Submission
from txn.model.transaction import Transaction
from txn.settings import Settings
from txn.store.arguments import (
    accept_keys,
    cancel_keys,
    claim_keys,
    due_keys,
    of_settlement,
    of_submission,
    settle_keys,
)
from txn.store.arrival import MOMENT_MS
from txn.store.database import Database, ScriptCall
from txn.store.keys import Keys
from txn.store.record import whole
from txn.store.replies import (
    SEEN_BY_CLIENTS,
    WHY_NOT,
    AcceptReply,
    Other,
    accepted,
    claim_of,
    conflict,
    one_of_batch,
    transaction_of,
)

log = logging.getLogger(__name__)

#: How often a call whose answer was lost is repeated. An accept keeps a client waiting; a settle holds the knowledge of
#: what became of a POST, and outlasts a restart of Redis.
ACCEPT_REPEATS = 1
CLAIM_REPEATS = 2
SETTLE_REPEATS = 6

#: Why a cancelled transaction failed.
CANCELLED = "cancelled by its client; it was never posted"


class Past(NamedTuple):
    """What was tried: the lines of the history, and how it ended if there are none."""

    history: str
    evidence: str
    attempts: int | None
    completed_ms: int | None


class Store:
    """All verbs of a transaction's life.

    `template` is the Dramatiq message that wakes a worker up, with @ID@, @MESSAGE@ and @NOW@ in it.
    Every method raises StoreUnavailable; what was being written may have been written all the same.
    """

    def __init__(self, database: Database, template: str, settings: Settings) -> None:
        self._database, self._template, self._settings = database, template, settings
        self._claims_seen = 0
        keys = database.keys
        self._accepts, self._claims, self._settles = accept_keys(keys), claim_keys(keys), settle_keys(keys)

    def accept(self, submission: Submission) -> tuple[Transaction, bool]:
        """Store a new transaction, or find the one that is there already: (the transaction, whether it is new).

        Raises: ContentConflict, if the id is known with other content, or is another client's; Invalid, if it has
        expired and is not known; RecordUnreadable.
        """
        reply = self._database.run(*self.accepting(submission), is_waited_for=True)
        try:
            return accepted(submission, reply)
        except Other:
            raise self._conflicts([submission])[0] from None

    def accepting(self, submission: Submission) -> ScriptCall:
        """The call to Redis that an accept is."""
        return ScriptCall("accept", self._accepts, self._accepts_with(), ACCEPT_REPEATS, of_submission(submission))

    def _accepts_with(self, *, atomic: bool = False) -> tuple[int, int, str, int]:
        return int(atomic), self._settings.grace_ms, self._template, self._database.shift_ms()

    def accept_batch(self, submissions: Sequence[Submission], *, atomic: bool = False) -> list[AcceptReply]:
        """What `accept` does with each of them, or raises, in their order; with one call to Redis, and one more if
        there are conflicts.

        `atomic`: all of them or none are stored; None stands for one that could be stored, had there been no others.
        The caller bounds how many there are.
        """
        arguments = [*self._accepts_with(atomic=atomic), *(text for one in submissions for text in of_submission(one))]
        replies = self._database.run("accept", self._accepts, arguments, ACCEPT_REPEATS, is_waited_for=True)
        told = [one_of_batch(*pair) for pair in zip(submissions, replies, strict=True)]
        failures = [reply for reply in told if isinstance(reply, StoreUnavailable)]
        if failures and len(failures) == len(told):
            raise failures[0]
        others = [one for one, reply in zip(submissions, told, strict=True) if isinstance(reply, Other)]
        conflicts = iter(self._conflicts(others) if others else ())
        return [next(conflicts) if isinstance(reply, Other) else reply for reply in told]

    def _conflicts(self, submissions: Sequence[Submission]) -> list[ContentConflict]:
        names = [self._database.keys.payload(one.id) for one in submissions]
        try:
            stored: list[bytes | None] = self._database.call(lambda client: client.mget(names))
        except StoreUnavailable:
            stored = [None] * len(names)  # that there is a conflict is known without it
        return [conflict(*pair) for pair in zip(submissions, stored, strict=True)]

    def read(self, transaction_id: str, client: str | None = None) -> Transaction:
        """The transaction as clients see it. Only `client` may see it, if one is given.

        Raises: NotFound, RecordUnreadable.
        """
        return self._read(transaction_id, client)[0]

    def read_with_past(self, transaction_id: str, client: str | None = None) -> tuple[Transaction, Past]:
        """The same, and what was tried; both as of one moment. Raises: NotFound, RecordUnreadable."""
        transaction, (history, evidence, attempts) = self._read(
            transaction_id, client, "history", "evidence", "attempts"
        )
        return transaction, Past(history or "", evidence or "", whole(attempts), transaction.completed_ms)

    def _read(self, transaction_id: str, client: str | None, *more: str) -> tuple[Transaction, list[str | None]]:
        name, asked = self._database.keys.record(transaction_id), [*SEEN_BY_CLIENTS, "client", *more]
        found = self._database.call(lambda redis: redis.hmget(name, asked))
        seen = len(SEEN_BY_CLIENTS)
        fields, owner, others = found[:seen], found[seen], found[seen + 1 :]
        is_foreign = client is not None and client.encode() != (owner or b"")
        if is_foreign or (fields[0] is None and fields[1] is None):
            raise NotFound("there is no transaction with this id")
        texts = [None if one is None else one.decode(errors="replace") for one in others]
        return transaction_of(transaction_id, fields), texts

    def cancel(self, transaction_id: str, who: str, client: str | None = None) -> Transaction:
        """Take back a transaction that provably was never posted: it is failed then, with the code `cancelled`.

        Only `client` may, if one is given. Repeating it changes nothing.
        Raises: NotFound, NotCancellable, RecordUnreadable.
        """
        keys = self._database.keys
        line = dumps({"by": who, "what": "cancel", "why": CANCELLED}).decode()
        verdict, *fields = self._database.run(
            "cancel",
            cancel_keys(keys, transaction_id),
            [
                *(transaction_id, client or "", int(client is None), CANCELLED, line, self._template),
                *(self._database.shift_ms(), MOMENT_MS),
            ],
            repeats=ACCEPT_REPEATS,
        )
        if verdict == b"unknown":
            raise NotFound("there is no transaction with this id")
        transaction = transaction_of(transaction_id, fields)
        if verdict != b"done":
            raise NotCancellable(WHY_NOT.get(verdict) or f"it is {transaction.status} already")
        return transaction

    def claim(self, transaction_id: str, owner: str) -> Claim | None:
        """Take a transaction for one delivery, or None: unknown, finished, not due yet, or somebody else's.

        `owner` is a fresh random nonce. Repeating a claim with the same nonce gives the same answer.
        """
        return self.claimed(transaction_id, owner, self._database.run(*self.claiming(transaction_id, owner)))

    def claiming(self, transaction_id: str, owner: str) -> ScriptCall:
        """The call to Redis that a claim is, for whoever makes it; `claimed` reads the reply."""
        settings = self._settings
        arguments = (
            *(settings.lease_ms, settings.doubt_window_ms, settings.max_attempts),
            *(self._database.shift_ms(), settings.max_hanging),
        )
        own = (transaction_id, owner, self._claims_seen)
        return ScriptCall("claim", self._claims, arguments, CLAIM_REPEATS, own)

    def claimed(self, transaction_id: str, owner: str, reply: Any) -> Claim | None:
        """What `claim` returns."""
        self._saw(reply[-1])
        return claim_of(transaction_id, owner, reply[1:-1]) if reply[0] == b"claimed" else None

    def settle(self, transaction_id: str, owner: str, settlement: Settlement) -> SettleReply:
        """Write down how a delivery ended: `settled`, or why that was refused."""
        return self.settled(self._database.run(*self.settling(transaction_id, owner, settlement)))

    def settling(self, transaction_id: str, owner: str, settlement: Settlement) -> ScriptCall:
        """The call to Redis that a settle is, for whoever makes it; `settled` reads the reply."""
        arguments = self._template, self._database.shift_ms(), self._settings.lease_ms
        own = of_settlement(transaction_id, owner, settlement)
        return ScriptCall("settle", self._settles, arguments, SETTLE_REPEATS, own)

    def settled(self, reply: Any) -> SettleReply:
        """What `settle` returns."""
        settle_reply: SettleReply = reply[-1].decode()
        return settle_reply

    @property
    def database(self) -> Database:
        """Where the records are."""
        return self._database

    def claims_seen(self) -> list[tuple[Keys, int]]:
        """The highest number of claims that Redis has told this process, of each claim counter."""
        return [(self._database.keys, self._claims_seen)]

    def due(self, limit: int) -> tuple[int, int]:
        """Look at up to `limit` transactions whose time has come: (looked at, queued again or expired)."""
        keys, settings = self._database.keys, self._settings
        looked, queued, claims, expired = self._database.run(
            "due",
            due_keys(keys),
            [
                *(limit, settings.grace_ms, settings.patience_ms, settings.lease_ms, settings.doubt_window_ms),
                *(self._claims_seen, self._template, settings.longest_wait_ms, self._database.shift_ms()),
            ],
        )
        self._saw(claims)
        for name in expired:
            log.warning("transaction expired before anything was posted", extra={"transaction": name.decode()})
        return looked, queued

    def cleanup(self) -> int:
        """Delete everything under our prefix, in chunks: how many keys. For tests; not atomic.

        The claim counter stays, or living workers would take the cleanup for a Redis that lost data.
        """
        return int(self._database.call(self._unlink_all))

    def _unlink_all(self, client: redis.Redis) -> int:
        keys, cursor, deleted = self._database.keys, 0, 0
        while True:
            cursor, found = client.scan(cursor, match=f"{keys.prefix}*", count=1000)
            if names := [name for name in found if name != keys.epoch.encode()]:
                deleted += client.unlink(*names)
            if cursor == 0:
                return deleted

    def _saw(self, claims: Any) -> None:
        # Threads may write this at once; the lower of two numbers that both came from Redis is as good.
        self._claims_seen = max(self._claims_seen, int(claims))
