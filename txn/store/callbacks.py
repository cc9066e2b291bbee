"""Callbacks as Redis holds them. They are enqueued by the script that writes the end of a transaction (`call_back` in
prelude.lua), so that there is one for every end of a transaction that wants one, whoever dies when.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from txn.errors import RecordUnreadable
from txn.model.content import dumps
from txn.model.transaction import Failure, Status, Transaction, rfc3339
from txn.store.database import Database
from txn.store.record import whole

#: How a sending ended: the receiver has it; it has not; it is no use to send it again.
Sent = Literal["told", "again", "gone"]
#: What is known of a receiver.
Kind = Literal["proven", "unproven", "failing"]
Noted = Literal["told", "again", "dead", "refused"]

#: Stands for the client's own URL, which is looked up when a callback is sent.
TO_CLIENT = "client"
#: What is written down of a failure is cut to this many characters.
MAX_WHY = 300
#: A sending that is not written down is made again: seldom, where Redis only takes a moment.
SENT_REPEATS = 3


@dataclass(frozen=True, slots=True)
class Callback:
    """What is to be told, and to whom. `to`: a URL, or TO_CLIENT. `lane`: callbacks of one lane share a receiver.

    `name` is the same at every sending. `tries`: sendings that have failed; `why` the latest did. `died_ms`: when it
    was given up, or None.
    """

    name: str
    transaction: Transaction
    client: str
    to: str
    lane: str
    ended_ms: int
    tries: int = 0
    why: str = ""
    died_ms: int | None = None

    @property
    def type(self) -> str:
        """What has happened."""
        return f"transaction.{self.transaction.status}"

    def body(self) -> bytes:
        """What is sent; the same bytes each time."""
        at = rfc3339(self.ended_ms)
        return dumps({"type": self.type, "timestamp": at, "data": self.transaction.to_json()})


@dataclass(frozen=True, slots=True)
class Room:
    """How many callbacks a process can send besides those that it sends.

    `free`: in all; `of_unproven`: to all receivers together that are not proven to answer at once, and of these
    `of_failing` to those that fail; `of_each`: to one of which nothing is known. `of`: to the receivers of these lanes.
    """

    free: int
    of_unproven: int
    of_failing: int
    of_each: int
    of: Mapping[str, tuple[int, Kind]]


class Callbacks:
    """Every method raises StoreUnavailable; what was being written may have been written all the same."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, owner: str, room: Room, lease_ms: int, longest_wait_ms: int) -> list[Callback]:
        """As many that are due as there is room for: nobody else's until the lease ends."""
        lanes = [item for lane, (number, kind) in room.of.items() for item in (lane, number, kind)]
        reply = self._database.run(
            "callbacks_due",
            [self._database.keys.callbacks],
            [
                *(room.free, room.of_each, lease_ms, owner, longest_wait_ms),
                *(self._database.shift_ms(), room.of_unproven, room.of_failing, *lanes),
            ],
        )
        found = []
        for name, fields in zip(reply[::2], reply[1::2], strict=True):
            try:
                found.append(_callback(name.decode(), _texts(fields)))
            except RecordUnreadable as error:
                self.sent(name.decode(), owner, "gone", wait_ms=0, why=str(error), give_up_ms=0)
        return found

    def sent(self, name: str, owner: str, how: Sent, *, wait_ms: int, why: str, give_up_ms: int) -> Noted:
        """Write down how a sending ended. `give_up_ms`: it is not sent again so long after its first failure."""
        keys = self._database.keys
        noted: Noted = self._database.run(
            "callback_sent",
            [keys.callbacks, keys.callbacks_dead, keys.count],
            [name, owner, how, wait_ms, why[:MAX_WHY], give_up_ms, self._database.shift_ms()],
            repeats=SENT_REPEATS,
        ).decode()
        return noted


def _texts(flat: Sequence[bytes]) -> dict[str, str]:
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return {name.decode(errors="replace"): value.decode(errors="replace") for name, value in pairs}


def callback_of(name: str, found: Mapping[bytes, bytes]) -> Callback:
    """One as its hash has it. Raises: RecordUnreadable."""
    return _callback(name, _texts([item for pair in found.items() for item in pair]))


def _callback(name: str, fields: Mapping[str, str]) -> Callback:
    status, ended_ms, submitted_ms = (
        fields.get("status"),
        whole(fields.get("completed")),
        whole(fields.get("submitted")),
    )
    if status not in (Status.COMPLETED, Status.FAILED) or ended_ms is None or submitted_ms is None:
        raise RecordUnreadable(f"the callback {name} is in a state that this version cannot read")
    failure = Failure(fields.get("code", ""), fields.get("detail", "")) if status == Status.FAILED else None
    deliver_by_ms = whole(fields.get("deliver_by"))
    transaction = Transaction(
        fields.get("transaction", ""), Status(status), submitted_ms, ended_ms, failure, deliver_by_ms
    )
    return Callback(
        name,
        transaction,
        fields.get("client", ""),
        fields.get("to", ""),
        fields.get("lane", ""),
        ended_ms,
        whole(fields.get("tries")) or 0,
        fields.get("why", ""),
        whole(fields.get("died")),
    )
