"""`Stores`: the verbs of a transaction's life, each in the partition of its id."""

from collections.abc import Callable, Sequence
from typing import Any

from txn.errors import Invalid, NotDurable, StoreUnavailable
from txn.model.claim import Claim
from txn.model.outcome import Settlement, SettleReply
from txn.model.submission import Submission
from txn.model.transaction import Transaction
from txn.partitions.place import Found, Partitions, partition_of, those_there
from txn.settings import Settings
from txn.store.database import ScriptCall
from txn.store.durability import DurabilityMonitor
from txn.store.keys import Keys
from txn.store.replies import AcceptReply
from txn.store.transactions import Past, Store


class Stores(Store):
    """As `Store`, of all partitions. What is away takes only its own transactions with it."""

    def __init__(
        self, partitions: Partitions, template: str, settings: Settings, durability: DurabilityMonitor | None = None
    ) -> None:
        """`durability`: asked for the partition of an id, if they are on several servers."""
        share = max(1, settings.max_hanging // len(partitions.all))
        settings = settings.model_copy(update={"max_hanging": share})
        super().__init__(partitions.first, template, settings)
        self._partitions = partitions
        #: One for each partition, in their order.
        self.all = [Store(database, template, settings) for database in partitions.all]
        is_asked = durability is not None and partitions.apart
        self._monitors = [durability.under(one.keys) for one in partitions.all] if durability and is_asked else []

    def of(self, transaction_id: str) -> Store:
        """That of the partition that a transaction is in. Raises: StoreUnavailable, if it is known not to answer."""
        number = partition_of(transaction_id, len(self.all))
        if self._monitors:
            self._monitors[number].require_answer()
        return self.all[number]

    def accept(self, submission: Submission) -> tuple[Transaction, bool]:
        """See `Store.accept`. Raises: NotDurable, StoreUnavailable, as `DurabilityMonitor.require`."""
        number = partition_of(submission.id, len(self.all))
        return self._kept(number, lambda: self.all[number].accept(submission))

    def _kept(self, number: int, accept: Callable[[], Found]) -> Found:
        """What it returns, if the server of the partition keeps it."""
        monitor = self._monitors[number] if self._monitors else None
        if monitor:
            monitor.require()
        found = accept()
        if monitor:  # accepting may have opened a connection, and that may have shown a Redis that forgets
            monitor.require()
        return found

    def accept_batch(self, submissions: Sequence[Submission], *, atomic: bool = False) -> list[AcceptReply]:
        """See `Store.accept_batch`; with one call to Redis for each partition that has some of them.

        An error for each of those whose partition is away. Raises: StoreUnavailable, if none of them could be asked;
        Invalid, if they are `atomic` and not all in one partition.
        """
        numbers = [partition_of(one.id, len(self.all)) for one in submissions]
        if len(set(numbers)) == 1:
            return self._kept(numbers[0], lambda: self.all[numbers[0]].accept_batch(submissions, atomic=atomic))
        if atomic:
            raise Invalid(
                "atomic",
                f"cannot be promised here: transactions are divided into {len(self.all)} partitions (TXN_PARTITIONS), "
                "and these are in several: send the batch without it",
            )
        grouped = {
            number: [one for one, at in zip(submissions, numbers, strict=True) if at == number] for number in numbers
        }
        answers = self._partitions.answers(
            [lambda number=number, mine=mine: self._accept_some(number, mine) for number, mine in grouped.items()]  # type: ignore[misc]
        )
        those_there(answers)
        in_order = {
            number: iter([answer] * len(mine) if isinstance(answer, StoreUnavailable) else answer)
            for (number, mine), answer in zip(grouped.items(), answers, strict=True)
        }
        return [next(in_order[number]) for number in numbers]

    def _accept_some(self, number: int, submissions: Sequence[Submission]) -> list[AcceptReply]:
        try:
            return self._kept(number, lambda: self.all[number].accept_batch(submissions))
        except NotDurable as error:  # the others may be kept
            raise StoreUnavailable(str(error)) from error

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
