"""An explicit-state model of the limit in flight: who holds a place, from the fetch to the end of a lease.

Three transactions with a message each, any number of workers that die or stall anywhere, and an operator who sets the
limit and takes it away, in every order. A request of a dead worker may go on at the posting service until its lease is
over, and no longer: the last check sees to that. `python -m tests.model.limits` prints what goes wrong without each
protection.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.model.explore import Explored, explore, tell

LIMIT = 2


@dataclass(frozen=True)
class Protections:
    """What keeps the limit. Each can be taken away."""

    until_the_lease_ends: bool = True  #: the place of a dead worker is free then, and not for ever
    not_before: bool = True  #: and not when the worker dies
    kept_for_a_message: bool = True  #: what is fetched has a place: what has none stays in the queue
    kept_for_a_while: bool = True  #: only so long: the worker may be stalled
    longest_counts: bool = True  #: a second message does not shorten the place of what is in flight
    counts_those_before: bool = True  #: what began before there was a limit


class Delivery(NamedTuple):
    """`step`: queued, fetched, turned back, flying, dead (its worker is; its lease runs), done.

    `place`: '' | kept (for a message) | taken (to the end of the lease). `again`: a second message of it is queued.
    `before`: it was claimed when there was no limit. `in_time`: fetched under a limit, and not long ago.
    """

    step: str = "queued"
    place: str = ""
    again: bool = True
    before: bool = False
    in_time: bool = False


class State(NamedTuple):
    limited: bool = False
    set_once: bool = False
    deliveries: tuple[Delivery, ...] = (Delivery(), Delivery(again=False), Delivery(again=False))


Move = tuple[str, State, bool]


class Limited:
    """Every move that can follow a state."""

    def __init__(self, protections: Protections) -> None:
        self.with_ = protections

    def moves(self, state: State) -> Iterator[Move]:
        if not state.limited and not state.set_once:
            yield "a limit is set", state._replace(limited=True, set_once=True), False
        elif state.limited:
            gone = tuple(one._replace(place="") for one in state.deliveries)
            yield "the limit is taken away", state._replace(limited=False, deliveries=gone), True
        for number, one in enumerate(state.deliveries):
            for what, after, fault in self._of(state, number, one):
                yield f"{number} {what}", self._put(state, number, after), fault

    def _of(self, state: State, number: int, one: Delivery) -> Iterator[tuple[str, Delivery, bool]]:
        room = not state.limited or self.held(state) < LIMIT
        if one.step == "queued" and (room or not self.with_.kept_for_a_message):
            place = "kept" if state.limited and self.with_.kept_for_a_message else ""
            yield "is fetched", one._replace(step="fetched", place=place, in_time=state.limited), False
        if one.again and one.step in ("flying", "dead") and room:
            shorter = one.place if self.with_.longest_counts else "kept"
            yield "is fetched again", one._replace(again=False, place=shorter if state.limited else one.place), False
        if one.place == "kept" and self.with_.kept_for_a_while:
            yield "has waited for too long", one._replace(place="", in_time=False), False
        if one.step == "fetched":
            yield from self._claim(state, one, room)
        elif one.step == "turned back":
            yield "is queued again", one._replace(step="queued"), False
        elif one.step == "flying":
            yield "settles", one._replace(step="done", place="", before=False), False
            place = one.place if self.with_.not_before else ""
            yield "'s worker dies", one._replace(step="dead", place=place), True
        elif one.step == "dead":
            place = "" if self.with_.until_the_lease_ends else one.place
            yield "'s lease ends", one._replace(step="queued", place=place, before=False), False

    def _claim(self, state: State, one: Delivery, room: bool) -> Iterator[tuple[str, Delivery, bool]]:
        if one.place or room:
            place = "taken" if state.limited else ""
            yield "is claimed", one._replace(step="flying", place=place, before=not state.limited, in_time=False), False
        else:
            yield "is turned back", one._replace(step="turned back", in_time=False), False
        yield "'s message is lost", one._replace(step="queued", place=one.place), True

    def held(self, state: State) -> int:
        """Places that are held, as the scripts count them."""
        before = [one for one in state.deliveries if one.before and not one.place and one.step in ("flying", "dead")]
        places = sum(bool(one.place) for one in state.deliveries)
        return places + (len(before) if self.with_.counts_those_before else 0)

    def _put(self, state: State, number: int, one: Delivery) -> State:
        return state._replace(deliveries=(*state.deliveries[:number], one, *state.deliveries[number + 1 :]))


def in_flight(state: State) -> int:
    """What the posting service may see."""
    return sum(one.step in ("flying", "dead") for one in state.deliveries)


def broken(before: State, state: State, what: str) -> str | None:
    """The promise that a move breaks: with a limit, nothing begins beyond it; and nothing is fetched in vain."""
    if state.limited and in_flight(state) > max(LIMIT, in_flight(before)):
        return "more in flight than the limit allows"
    return "fetched in vain" if "turned back" in what and before.deliveries[int(what[0])].in_time else None


def check(protections: Protections | None = None) -> Explored:
    """Look at every state, and at whether it ends: all is done."""
    limited = Limited(protections or Protections())
    return explore(State(), limited.moves, broken, lambda state: all(one.step == "done" for one in state.deliveries))


if __name__ == "__main__":
    tell(Protections(), check)
