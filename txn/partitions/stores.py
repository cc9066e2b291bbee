"""`Stores`: the verbs of a transaction's life, each in the partition of its id."""

from collections.abc import Sequence
from typing import Any

from txn.errors import Invalid, StoreUnavailable
from txn.model.claim import Claim
from txn.model.outcome import Settlement, SettleReply
from txn.model.submission import Submission
from txn.model.transaction import Transaction
from txn.partitions.place import Partitions, hangs, partition_of
from txn.settings import Settings
from txn.store.database import ScriptCall
from txn.store.keys import Keys
from txn.store.replies import AcceptReply
from txn.store.transactions import Past, Store


class Stores(Store):
    """As `Store`, of all partitions. What is away takes only its own transactions with it."""

    def __init__(self, partitions: Partitions, template: str, settings: Settings) -> None:
        share = max(1, settings.max_hanging // len(partitions.all))
        settings = settings.model_copy(update={"max_hanging": share})
        super().__init__(partitions.first, template, settings)
        self._partitions = partitions
        #: One for each partition, in their order.
        self.all = [Store(database, template, settings) for database in partitions.all]

    def of(self, transaction_id: str) -> Store:
        """That of the partition that a transaction is in."""
        return self.all[partition_of(transaction_id, len(self.all))]

    def accept(self, submission: Submission) -> tuple[Transaction, bool]:
        """See `Store.accept`."""
        return self.of(submission.id).accept(submission)

    def accept_batch(self, submissions: Sequence[Submission], *, atomic: bool = False) -> list[AcceptReply]:
        """See `Store.accept_batch`; with one call to Redis for each partition that has some of them.

        An error for each of those whose partition is away. Raises: StoreUnavailable, if none of them could be asked;
        Invalid, if they are `atomic` and not all in one partition.
        """
        grouped = self._partitions.grouped(one.id for one in submissions)
        if len(grouped) == 1:
            return self.of(submissions[0].id).accept_batch(submissions, atomic=atomic)
        if atomic:
            raise Invalid(
                "atomic",
                f"cannot be promised here: transactions are divided into {len(self.all)} partitions (TXN_PARTITIONS), "
                "and these are in several: send the batch without it",
            )
        replies: dict[int, list[AcceptReply]] = {}
        away = []
        for number in grouped:
            mine = [one for one in submissions if partition_of(one.id, len(self.all)) == number]
            try:
                replies[number] = self.all[number].accept_batch(mine)
            except StoreUnavailable as error:
                if hangs(error):
                    raise
                replies[number] = [error] * len(mine)
                away.append(error)
        if len(away) == len(grouped):
            raise away[0]
        in_order = {number: iter(found) for number, found in replies.items()}
        return [next(in_order[partition_of(one.id, len(self.all))]) for one in submissions]

    def read(self, transaction_id: str, client: str | None = None) -> Transaction:
        """See `Store.read`."""
        return self.of(transaction_id).read(transaction_id, client)

    def read_with_past(self, transaction_id: str, client: str | None = None) -> tuple[Transaction, Past]:
        """See `Store.read_with_past`."""
        return self.of(transaction_id).read_with_past(transaction_id, client)

    def cancel(self, transaction_id: str, who: str, client: str | None = None) -> Transaction:
        """See `Store.cancel`."""
        return self.of(transaction_id).cancel(transaction_id, who, client)

    def claim(self, transaction_id: str, owner: str) -> Claim | None:
        """See `Store.claim`."""
        return self.of(transaction_id).claim(transaction_id, owner)

    def claiming(self, transaction_id: str, owner: str) -> ScriptCall:
        """See `Store.claiming`."""
        return self.of(transaction_id).claiming(transaction_id, owner)

    def claimed(self, transaction_id: str, owner: str, reply: Any) -> Claim | None:
        """See `Store.claimed`."""
        return self.of(transaction_id).claimed(transaction_id, owner, reply)

    def settle(self, transaction_id: str, owner: str, settlement: Settlement) -> SettleReply:
        """See `Store.settle`."""
        return self.of(transaction_id).settle(transaction_id, owner, settlement)

    def settling(self, transaction_id: str, owner: str, settlement: Settlement) -> ScriptCall:
        """See `Store.settling`."""
        return self.of(transaction_id).settling(transaction_id, owner, settlement)

    def claims_seen(self) -> list[tuple[Keys, int]]:
        """See `Store.claims_seen`."""
        return [seen for store in self.all for seen in store.claims_seen()]

    def due(self, limit: int) -> tuple[int, int]:
        """See `Store.due`: up to `limit` in each partition. Raises: StoreUnavailable, if one is away."""
        found = [store.due(limit) for store in self.all]
        return sum(looked for looked, _ in found), sum(queued for _, queued in found)

    def cleanup(self) -> int:
        """See `Store.cleanup`. How many partitions there are is kept."""
        return sum(store.cleanup() for store in self.all)
