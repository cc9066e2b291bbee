"""`AllConsumer`: one fetch loop over all partitions. Each has a consumer of its own, so that one that is away, or whose
messages are stuck, keeps nothing from the others.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping

from dramatiq.broker import MessageProxy

from txn.partitions.place import partition_of
from txn.partitions.records import id_of
from txn.queue.consumer import POLL_S, UNAVAILABLE_S, RecordConsumer, names_of
from txn.queue.heartbeat import About
from txn.store.messages import Messages

#: Messages that are taken ahead from each partition, at least.
MIN_SHARE = 4
#: So many partitions may be asked in one pause of an idle consumer: of more, each is asked more seldom.
ASKED_AT_ONCE = 16
#: The longest pause between two calls to a partition that is away: each may hold the others up for its time-out.
MAX_AWAY_S = 5.0


class AllConsumer(RecordConsumer):
    """As `RecordConsumer`. Takes one message of each partition in turn, and asks them when none is left."""

    def __init__(
        self,
        messages: Iterable[Messages],
        prefetch: int,
        about: About,
        monotonic_s: Callable[[], float] = time.monotonic,
        together: int = 1,
    ) -> None:
        messages = list(messages)
        super().__init__(messages[0], prefetch, monotonic_s, about)
        share = max(MIN_SHARE, prefetch // len(messages))
        self._poll_s = POLL_S * max(1.0, len(messages) / ASKED_AT_ONCE)
        self._all = [RecordConsumer(one, share, monotonic_s, _Share(about), together, self._poll_s) for one in messages]
        self._whole, self._clock_s = about, monotonic_s
        self._away = _Away(len(self._all), monotonic_s)
        self._turn = 0
        self._acknowledged = threading.Event()
        self._acks = 0

    def __next__(self) -> MessageProxy | None:
        if not any(consumer.has_some for consumer in self._all) and not self._look_at_all():
            self._acknowledged.wait(self._poll_s)
            self._acknowledged.clear()
            return None
        while True:
            self._turn = (self._turn + 1) % len(self._all)
            if self._all[self._turn].has_some:
                return self._all[self._turn].taken()

    def _look_at_all(self) -> bool:
        """Acknowledge, and ask all that are there, another one first each time: whether there is a message now."""
        self._acks = 0
        order = range(self._turn, self._turn + len(self._all))
        for number in (at % len(self._all) for at in order):
            if self._away.may_ask(number):
                self._all[number].look()
                self._away.was(number, away=self._all[number].is_away)
        self._tell()
        return any(consumer.has_some for consumer in self._all)

    def _tell(self) -> None:
        self._whole.refused = next((one.about.refused for one in self._all if one.about.refused), "")

    def _of(self, message: MessageProxy) -> RecordConsumer:
        return self._all[partition_of(id_of(message.options["redis_message_id"]), len(self._all))]

    def begin(self, message: MessageProxy) -> bool:
        """See `RecordConsumer.begin`."""
        return self._of(message).begin(message)

    def stop_fetching(self) -> None:
        """See `RecordConsumer.stop_fetching`."""
        for consumer in self._all:
            consumer.stop_fetching()
        self._acknowledged.set()

    def ack(self, message: MessageProxy) -> None:
        """See `RecordConsumer.ack`."""
        self._of(message).ack(message)
        self._acks += len(names_of(message))  # of two threads at once one may be missed: then it is a little later
        if self._acks * 4 >= self._prefetch:
            self._acknowledged.set()

    nack = ack

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """See `RecordConsumer.requeue`."""
        for message in messages:
            self._of(message).requeue([message])

    def close(self) -> None:
        """See `RecordConsumer.close`."""
        for consumer in self._all:
            consumer.close()


class _Share(About):
    """What a process says of itself in one partition: how many messages of that it has processed, and the rest."""

    def __init__(self, whole: About) -> None:
        super().__init__()
        self._of_process = whole

    def fields(self, processed: int, now_s: float) -> Mapping[str, str | int]:
        """See `About.fields`."""
        self.threads, self.in_flight = self._of_process.threads, self._of_process.in_flight
        return super().fields(processed, now_s)


class _Away:
    """Which partitions are away, and when each is asked again: more and more seldom."""

    def __init__(self, count: int, monotonic_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        self._failures, self._next_s = [0] * count, [0.0] * count

    def may_ask(self, number: int) -> bool:
        return self._monotonic_s() >= self._next_s[number]

    def was(self, number: int, *, away: bool) -> None:
        self._failures[number] = self._failures[number] + 1 if away else 0
        if away:
            pause_s = UNAVAILABLE_S * 2.0 ** (min(self._failures[number], 10) - 1)
            self._next_s[number] = self._monotonic_s() + min(MAX_AWAY_S, pause_s)
