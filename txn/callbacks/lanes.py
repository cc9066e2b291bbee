"""How much of what one process sends may go to one receiver. Nobody else knows: each process finds out by itself."""

from collections import OrderedDict
from dataclasses import dataclass

#: To a receiver that nothing is known of, and to one that answers.
FIRST, MOST = 2, 16
#: Receivers that are kept in mind.
_KNOWN = 1_000


@dataclass(slots=True)
class _Lane:
    in_flight: int = 0
    window: int = FIRST
    fails: bool = False


class Lanes:
    """A lane's window grows by one with each answer and is halved with each failure, down to one.

    Those that fail have half of all places among them, so that any number of them leaves the others room. Not for
    several threads at once.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._lanes: OrderedDict[str, _Lane] = OrderedDict()
        self.in_flight = 0

    @property
    def free(self) -> int:
        """Places that nobody has."""
        return self._places - self.in_flight

    def room(self) -> dict[str, int]:
        """Of each lane that something is known of, how many more may go out."""
        failing = sum(lane.in_flight for lane in self._lanes.values() if lane.fails)
        left = max(1, self._places // 2) - failing
        found = {}
        for name, lane in self._lanes.items():
            room = lane.window - lane.in_flight
            if lane.fails:
                room = min(room, left)
                left -= max(0, room)
            found[name] = max(0, room)
        return found

    def begin(self, name: str) -> None:
        """One of this lane goes out."""
        self._lanes.setdefault(name, _Lane()).in_flight += 1
        self._lanes.move_to_end(name)
        self.in_flight += 1

    def end(self, name: str, *, answered: bool) -> None:
        """It is over."""
        lane = self._lanes[name]
        lane.in_flight -= 1
        self.in_flight -= 1
        lane.fails = not answered
        lane.window = min(MOST, lane.window + 1) if answered else max(1, lane.window // 2)
        self._forget()

    def _forget(self) -> None:
        idle = [name for name, lane in self._lanes.items() if not lane.in_flight] if len(self._lanes) > _KNOWN else []
        for name in idle[: len(self._lanes) - _KNOWN]:
            del self._lanes[name]
