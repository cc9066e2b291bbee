"""The parts of all partitions, with a clock that the test moves."""

from collections.abc import Iterable, Mapping
from typing import Any

from tests.parts import Parts
from txn.delivery.rescuer import Rescuer
from txn.operate.bulk_runner import BulkRunner
from txn.operate.bulk_runs import BulkRuns
from txn.partitions.flow import AllLimits, AllPauses
from txn.partitions.letters import AllLetters, AllOperations, AllRuns
from txn.partitions.numbers import AllStatistics
from txn.partitions.past import AllJournal
from txn.partitions.place import Partitions
from txn.partitions.records import id_of
from txn.partitions.stores import Stores
from txn.queue.message import message_template
from txn.readers.dead_letters import DeadLetters
from txn.store.keys import Keys
from txn.store.messages import Messages
from txn.store.scripts import Argument

COUNT = 4
#: One id in each partition, in their order.
IN_EACH = ("d", "b", "e", "a")


class AllMessages(Messages):
    """What a consumer does, in all partitions."""

    def __init__(self, partitions: Partitions, consumer: str) -> None:
        super().__init__(partitions.first, consumer)
        self._parts, self._all = partitions, [Messages(database, consumer) for database in partitions.all]

    def fetch(self, count: int, acknowledge: Iterable[str] = ()) -> list[tuple[str, bytes]]:
        done, found = list(acknowledge), []
        for database, messages in zip(self._parts.all, self._all, strict=True):
            found += messages.fetch(count, [name for name in done if self._parts.of(id_of(name)) is database])
        return found

    def requeue_all_but(self, held: Iterable[str]) -> int:
        held = list(held)
        return sum(messages.requeue_all_but(held) for messages in self._all)

    def heartbeat(self, about: Mapping[str, Argument] | None = None) -> int:
        return sum(messages.heartbeat(about) for messages in self._all)


class AllParts(Parts):
    """As `Parts`, of `COUNT` partitions."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.partitions = Partitions(self.database, COUNT)
        self.store: Stores = self.new_store()
        self.statistics = AllStatistics(self.partitions)
        self.letters = AllLetters(self.partitions)
        self.runs = AllRuns(self.partitions)
        self.journal = AllJournal(self.partitions)
        self.operations = AllOperations(self.partitions)
        self.pauses = AllPauses(self.partitions, self.settings.lease_ms)
        self.limits = AllLimits(self.partitions, self.settings.lease_ms)

    def new_store(self) -> Stores:
        return Stores(Partitions(self.new_database(), COUNT), message_template(), self.settings)

    @property
    def all_keys(self) -> list[Keys]:
        return [database.keys for database in self.partitions.all]

    def messages(self, consumer: str = "consumer") -> "AllMessages":
        return AllMessages(self.partitions, consumer)

    def keys_of(self, transaction_id: str) -> Keys:
        return self.partitions.of(transaction_id).keys

    def record(self, transaction_id: str) -> dict[str, str]:
        found: Any = self.client.hgetall(self.keys_of(transaction_id).record(transaction_id))
        return {name.decode(): value.decode() for name, value in found.items()}

    def due_score(self, transaction_id: str) -> float | None:
        score: Any = self.client.zscore(self.keys_of(transaction_id).due, transaction_id)
        return score

    def take_away(self, number: int) -> None:
        """The partition fails whatever is asked of it: its indexes are of another type."""
        for name in self._indexes(number):
            if self.client.exists(name):
                self.client.rename(name, f"{name}-kept")
            self.client.set(name, "no index")

    def bring_back(self, number: int) -> None:
        for name in self._indexes(number):
            self.client.delete(name)
            if self.client.exists(f"{name}-kept"):
                self.client.rename(f"{name}-kept", name)

    def _indexes(self, number: int) -> list[str]:
        keys = self.partitions.all[number].keys
        return [keys.due, keys.messages, keys.changes, keys.posting, keys.heartbeats]

    def rescue(self) -> None:
        for store in self.store.all:
            Rescuer(store).tick()

    def run_bulk(self) -> None:
        """Move all runs on to their end."""
        for _ in range(20):
            for database in self.partitions.all:
                BulkRunner(BulkRuns(database), DeadLetters(database), "w").tick()
