"""How much of what one process sends may go to one receiver. Nobody else knows: each process finds out by itself."""

from collections import OrderedDict
from dataclasses import dataclass

from txn.store.callbacks import Kind, Room

#: To a receiver that nothing is known of, and to one that answers.
FIRST, MOST = 1, 16
#: Who takes longer to answer is slow.
SLOW_S = 1.0
#: Receivers that are kept in mind.
_KNOWN = 1_000


@dataclass(slots=True)
class _Lane:
    in_flight: int = 0
    window: int = FIRST
    kind: Kind = "unproven"

    @property
    def left(self) -> int:
        """How many more may go out."""
        return max(0, self.window - self.in_flight)


class Lanes:
    """A lane's window grows by one with each quick answer and is halved with each failure, down to one.

    All those that are not proven, because they are new, slow, or fail, have half of the places among them, and those
    that fail a quarter: any number of them leaves the others room. Not for several threads at once.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._lanes: OrderedDict[str, _Lane] = OrderedDict()
        self.in_flight = 0

    def room(self) -> Room:
        """For more."""
        unproven = self._in_flight_to("unproven", "failing")
        share = (self._places + 1) // 2
        return Room(
            self._places - self.in_flight,
            max(0, share - unproven),
            max(0, (share + 1) // 2 - self._in_flight_to("failing")),
            FIRST,
            {name: (lane.left, lane.kind) for name, lane in self._lanes.items()},
        )

    def _in_flight_to(self, *kinds: Kind) -> int:
        return sum(lane.in_flight for lane in self._lanes.values() if lane.kind in kinds)

    def begin(self, name: str) -> None:
        """One of this lane goes out."""
        self._lanes.setdefault(name, _Lane()).in_flight += 1
        self._lanes.move_to_end(name)
        self.in_flight += 1

    def end(self, name: str, *, answered: bool, took_s: float = 0.0) -> None:
        """It is over."""
        lane = self._lanes[name]
        lane.in_flight -= 1
        self.in_flight -= 1
        if not answered:
            lane.kind, lane.window = "failing", max(1, lane.window // 2)
        elif took_s < SLOW_S:
            lane.kind, lane.window = "proven", min(MOST, lane.window + 1)
        else:
            lane.kind, lane.window = "unproven", max(FIRST, lane.window - 1)
        self._forget()

    def _forget(self) -> None:
        idle = [name for name, lane in self._lanes.items() if not lane.in_flight] if len(self._lanes) > _KNOWN else []
        for name in idle[: len(self._lanes) - _KNOWN]:
            del self._lanes[name]
