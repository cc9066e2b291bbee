"""A consumer that cannot strand messages.

Acks travel with the next fetch, and after any failure it gives back what Redis thinks it holds beyond what it knows.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from dramatiq import Message
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.errors import DecodeError

from txn.errors import StoreRefuses, StoreUnavailable
from txn.queue.heartbeat import About
from txn.queue.message import NAME
from txn.store.messages import Messages

log = logging.getLogger(__name__)

#: How often an idle queue is asked. An empty answer writes nothing.
POLL_S = 0.02
HEARTBEAT_S = 1.0
#: Pause after Redis could not be reached.
UNAVAILABLE_S = 0.2


def names_of(message: MessageProxy) -> list[str]:
    """Of the messages in Redis that it stands for."""
    names: list[str] = message.options.get("names") or [message.options["redis_message_id"]]
    return names


class RecordConsumer(Consumer):
    """Takes messages off the queue, up to `prefetch` at a time. `ack` may be called from any thread.

    Up to `together` of those that are there are given to Dramatiq as one message, which carries all their ids.
    """

    def __init__(
        self,
        messages: Messages,
        prefetch: int,
        monotonic_s: Callable[[], float] = time.monotonic,
        about: About | None = None,
        together: int = 1,
        poll_s: float | None = None,
    ) -> None:
        """`poll_s`: how often an idle queue is asked, if not every POLL_S."""
        self._together, self._poll_s = together, POLL_S if poll_s is None else poll_s
        self._messages, self._prefetch, self._monotonic_s = messages, prefetch, monotonic_s
        self.about, self._processed = about or About(), 0
        self._fetched: deque[tuple[str, bytes]] = deque()
        self._lock = threading.Lock()
        self._held: set[str] = set()
        self._begun: set[str] = set()
        self._stopping = False
        self._acked: list[str] = []
        self._many_acked = threading.Event()
        self._in_step = False
        #: Whether Redis could not be asked at the last look.
        self.is_away = False
        self._next_heartbeat = 0.0

    def __next__(self) -> MessageProxy | None:
        if (pause_s := self.look()) is not None:
            self._many_acked.wait(pause_s)
            return None
        return self.taken()

    def look(self) -> float | None:
        """Ask for messages, if none are left: after how many seconds to look again; None: there are some."""
        if self._stopping:
            self._fetched.clear()
        if self._fetched:
            return None
        try:
            self._exchange()
        except StoreUnavailable as error:
            log.debug("consumer waits", extra={"detail": str(error)})
            self.about.refused = str(error) if isinstance(error, StoreRefuses) else ""
            self._in_step, self.is_away = False, True
            return UNAVAILABLE_S
        self.is_away = False
        return None if self._fetched else self._poll_s

    @property
    def has_some(self) -> bool:
        """Whether there are messages that nobody has taken yet."""
        return bool(self._fetched) and not self._stopping

    def taken(self) -> MessageProxy | None:
        """The next of those that are there, with others behind it; None, if it cannot be read."""
        first = self._decoded(*self._fetched.popleft())
        if first is None:
            return None
        names = [first.options["redis_message_id"]]
        ids = list(first.args)
        while _is_plain(first) and self._fetched and len(names) < self._together:
            name, body = self._fetched[0]
            if (message := self._decoded(name, body)) is not None and not _is_plain(message):
                break
            self._fetched.popleft()
            if message is not None:
                names.append(name)
                ids += message.args
        if len(names) > 1:
            first = first.copy(args=tuple(ids), options={"names": names})
        return MessageProxy(first)

    def begin(self, message: MessageProxy) -> bool:
        """Whether it may be processed: not if this worker stops, which gives back what it has not begun."""
        with self._lock:
            if self._stopping:
                return False
            self._begun.update(names_of(message))
            return True

    def stop_fetching(self) -> None:
        """Take nothing more, and give back what was not begun, with the next poll. From any thread.

        Dramatiq keeps a consumer running until the last delivery of its worker is over, so that it still acknowledges
        and has a heartbeat; left alone it would go on to take messages that nobody here will process.
        """
        with self._lock:
            self._stopping = True
            self._held &= self._begun
            self._in_step = False
        self._many_acked.set()

    def ack(self, message: MessageProxy) -> None:
        """Let the next fetch take the message out of Redis. Until then it stays ours."""
        self._done_with(names_of(message))

    #: Nothing is dead-lettered by Dramatiq itself: settle does that, together with the record.
    nack = ack

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Forget messages that will not be processed, so that `close` gives them back."""
        with self._lock:
            self._held -= {name for message in messages for name in names_of(message)}

    def close(self) -> None:
        """Acknowledge what is done and give back the rest."""
        try:
            self._messages.fetch(0, self._take_acked())
            self._messages.requeue_all_but(())
            self._messages.goodbye()
        except StoreUnavailable as error:
            log.warning("consumer could not give its messages back, the reaper will", extra={"detail": str(error)})

    def _exchange(self) -> None:
        """One round trip: acks out, messages in. Raises: StoreUnavailable; then nobody knows what was done."""
        if not self._in_step:
            with self._lock:
                held = [*self._held, *self._acked]
                self._in_step = True
            returned = self._messages.requeue_all_but(held)
            if returned and self._stopping:
                log.info("consumer gave back %d messages that were not begun: this worker stops", returned)
            elif returned:
                log.warning("consumer gave back %d messages that it did not know of", returned)
        if (now_s := self._monotonic_s()) >= self._next_heartbeat:
            self._messages.heartbeat(self.about.fields(self._processed, now_s))
            self.about.refused = ""
            self._next_heartbeat = self._monotonic_s() + HEARTBEAT_S
        acked = self._take_acked()
        room = 0 if self._stopping else self._prefetch - len(self._held)
        if room <= 0 and not acked:
            return
        try:
            fetched = self._messages.fetch(max(room, 0), acked)
        except StoreUnavailable:
            with self._lock:
                self._acked += acked  # acknowledging twice does no harm
            raise
        with self._lock:
            if self._stopping:
                return  # told so while they were on their way: they go back with the next exchange
            self._held.update(name for name, _ in fetched)
            self._fetched.extend(fetched)

    def _decoded(self, name: str, body: bytes) -> Message[None] | None:
        try:
            message: Message[None] = Message.decode(body)
        except DecodeError:
            log.error("message %s cannot be read and is dropped; its transaction stays in the due index", name)
            self._done_with([name])
            return None
        message.options["redis_message_id"] = name
        return message

    def _done_with(self, names: Iterable[str]) -> None:
        with self._lock:
            for name in names:
                if name not in self._held:
                    continue  # given back: it is somebody else's now
                self._held.discard(name)
                self._begun.discard(name)
                self._acked.append(name)
                self._processed += 1
            if len(self._acked) * 4 >= self._prefetch:
                self._many_acked.set()

    def _take_acked(self) -> list[str]:
        with self._lock:
            acked, self._acked = self._acked, []
            self._many_acked.clear()
            return acked


def _is_plain(message: Message[None]) -> bool:
    """Whether it is one of ours, and carries an id and nothing else: those can be given to Dramatiq as one."""
    is_ours = message.actor_name == NAME and not message.kwargs and "eta" not in message.options
    return is_ours and len(message.args) == 1 and isinstance(message.args[0], str)
