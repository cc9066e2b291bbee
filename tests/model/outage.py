"""An explicit-state model of an outage: when the breaker opens, probes, lets a few through and closes, and what counts.

Three transactions, of which the first may be one that always fails (`poison`), any number of workers that die anywhere,
a service that goes away and comes back at any time, in every order. What one delivery does to one transaction is in
protocol.py: a refused claim changes nothing there. `python -m tests.model.outage` prints what goes wrong without each
protection.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from tests.model.explore import Explored, explore

#: Deliveries that are looked at, attempts, and how many in flight end the ramp: small, so that all can be looked at.
WINDOW, MAX_ATTEMPTS, BOUND = 2, 1, 2
#: In flight at most while the breaker is open.
PROBES = 2
LATE = 10


@dataclass(frozen=True)
class Protections:
    """What keeps an outage one. Each can be taken away."""

    of_several: bool = True  #: failures of one transaction alone open nothing
    one_probe: bool = True  #: another only if those before it are late
    few_late_probes: bool = True
    late_probes_say_nothing: bool = True  #: after another probe has gone well
    probe_ends_with_its_lease: bool = True
    probes_in_turn: bool = True
    settled_once: bool = True  #: a settle that is refused says nothing
    only_probes_decide: bool = True  #: what was on its way when it opened does not close it, or open it again
    counts_after_a_success: bool = True
    after_its_failure: bool = True  #: only then; not after its claim
    no_probe_counts: bool = True  #: the attempt before it
    not_before_the_end: bool = True  #: what was tried before an outage ended does not count
    pause_holds: bool = True
    ramp: bool = True
    late_ones_are_old: bool = True  #: one that hung says nothing if somebody went well since it was claimed


class Delivery(NamedTuple):
    """`step`: waiting, flying, dead (its worker is; the lease runs), done, failed. `probe`: claimed while not closed.

    `tried`: there was an attempt that failed, and whether somebody was let in after it: '' | 'tried' | 'others'.
    `counted`: attempts. `noticed`: since it was tried, the breaker was open. `old`: claimed before an outage ended.
    `let_in`: somebody went well since it was tried.
    `passed`: somebody went well since it was claimed. `late`: a probe that has had no answer for a while.
    """

    step: str = "waiting"
    probe: bool = False
    tried: str = ""
    counted: int = 0
    noticed: bool = False
    let_in: bool = False
    old: bool = False
    passed: bool = False
    late: bool = False


class State(NamedTuple):
    up: bool = True
    paused: bool = False
    breaker: str = "closed"
    cap: int = 0
    turn: int = 0
    window: tuple[int, ...] = ()  #: who failed; -1: a success; LATE more: hung, and was passed
    deliveries: tuple[Delivery, ...] = (Delivery(), Delivery(), Delivery())


#: (what happened, the state after it, whether it needs a fault)
Move = tuple[str, State, bool]


class Outage:
    """Every move that can follow a state."""

    def __init__(self, protections: Protections, poison: bool) -> None:
        self.with_, self.poison = protections, poison

    def moves(self, state: State) -> Iterator[Move]:
        yield ("goes away", state._replace(up=False), True) if state.up else ("is back", state._replace(up=True), False)
        yield "pause", state._replace(paused=True), True
        yield "resume", state._replace(paused=False), False
        for number, one in enumerate(state.deliveries):
            hangs = one.step == "dead" or (one.step == "flying" and not state.up)
            if one.probe and not one.late and hangs and state.breaker == "open":
                yield f"{number} is late", self._put(state, number, one._replace(late=True)), False
            if one.step == "waiting" and self._may_claim(state, number):
                yield self._claimed(state, number, one)
            elif one.step == "flying":
                yield f"{number} settles", self._settled(state, number, one), False
                if one.passed and not self._goes_well(state, number):
                    yield f"{number} hung, and settles", self._settled(state, number, one, hung=True), False
                yield f"{number}'s worker dies", self._put(state, number, one._replace(step="dead")), True
            elif one.step == "dead":
                probe = one.probe and not self.with_.probe_ends_with_its_lease
                # What becomes of those whose workers die is not for this model.
                over = Delivery(probe=probe, counted=one.counted, old=one.old)
                yield f"{number}'s lease ends", self._put(state, number, over), False
                if not self.with_.settled_once:
                    yield f"{number} settles late", self._judged(state, number, one), True

    def in_flight(self, state: State) -> int:
        return sum(one.probe for one in state.deliveries)

    def awaited(self, state: State) -> int:
        return sum(one.probe and not one.late for one in state.deliveries)

    def _may_claim(self, state: State, number: int) -> bool:
        if state.paused and self.with_.pause_holds:
            return False
        if state.breaker == "open":
            waiting = [n for n, one in enumerate(state.deliveries) if one.step == "waiting"]
            ahead = [n for n in waiting if n >= state.turn] if self.with_.probes_in_turn else []
            is_time = not self.awaited(state) or not self.with_.one_probe
            is_room = self.in_flight(state) < PROBES or not self.with_.few_late_probes
            return number == (ahead or waiting)[0] and is_time and is_room
        if state.breaker == "half" and self.with_.ramp:
            return self.in_flight(state) < state.cap
        return True

    def _claimed(self, state: State, number: int, one: Delivery) -> Move:
        counts = state.breaker != "open" or not self.with_.no_probe_counts
        counted = one.counted + (counts and one.tried == "others")
        if counted >= MAX_ATTEMPTS:
            return f"{number} is given up", self._put(state, number, Delivery("failed")), False
        probe = state.breaker != "closed"
        after = self._put(state, number, Delivery("flying", probe, "", counted))
        if state.breaker == "open":
            after = after._replace(turn=(number + 1) % len(state.deliveries))
        return f"{number} is claimed{', as a probe' if probe else ''}", after, False

    def noticed(self, state: State) -> State:
        """What has failed before an outage is noticed, or while it is, is part of it."""
        if state.breaker != "open":
            return state
        part = (one._replace(noticed=one.step != "flying" and bool(one.tried)) for one in state.deliveries)
        return state._replace(deliveries=tuple(part))

    def _settled(self, state: State, number: int, one: Delivery, hung: bool = False) -> State:
        well = self._goes_well(state, number)
        after = self._judged(state, number, one, hung)
        if well:
            others = (
                two._replace(passed=two.passed or two.step == "flying", let_in=two.let_in or bool(two.tried))
                for two in after.deliveries
            )
            after = after._replace(deliveries=tuple(others))
        if not well:
            tried = "" if one.old else one.tried or ("tried" if self.with_.counts_after_a_success else "others")
            return self._put(
                after,
                number,
                one._replace(step="waiting", probe=False, tried=tried, old=False, passed=False, late=False),
            )
        if state.breaker == "open" and after.breaker == "open":  # what was on its way when it opened
            return self._put(after, number, Delivery("done"))
        ends = self.with_.not_before_the_end and state.breaker == "open"
        told = tuple(map(self._ended if ends else self._let_in, after.deliveries))
        return self._put(after._replace(deliveries=told), number, Delivery("done"))

    def _ended(self, one: Delivery) -> Delivery:
        return one._replace(tried="", noticed=False, let_in=False, old=one.step == "flying")

    def _let_in(self, one: Delivery) -> Delivery:
        tried = one.tried or (one.step == "flying" and not self.with_.after_its_failure)
        return one._replace(tried="others") if tried else one

    def _goes_well(self, state: State, number: int) -> bool:
        return state.up and not (self.poison and number == 0)

    def _judged(self, state: State, number: int, one: Delivery, hung: bool = False) -> State:
        well = self._goes_well(state, number)
        if state.breaker == "closed":
            if hung and self.with_.late_ones_are_old:
                return state
            window = (*state.window, -1 if well else number + LATE * hung)[-WINDOW:]
            ids = {who if who < LATE else who - LATE for who in window}
            several = len(ids) > 1 or not self.with_.of_several
            if len(window) == WINDOW and -1 not in ids and several:
                return state._replace(breaker="open", window=(), cap=0)
            return state._replace(window=window)
        if not one.probe and self.with_.only_probes_decide:
            return state
        if state.breaker == "open":
            return self._half_open(state) if well else state
        cap = state.cap * 2 if well else state.cap // 2
        if cap >= BOUND:
            calm = tuple(two._replace(probe=False) for two in state.deliveries)
            return state._replace(breaker="closed", cap=0, deliveries=calm)
        return state._replace(cap=cap) if cap else state._replace(breaker="open", cap=0)

    def _half_open(self, state: State) -> State:
        others = tuple(
            two._replace(probe=two.probe and not self.with_.late_probes_say_nothing) for two in state.deliveries
        )
        return state._replace(breaker="half", cap=1, deliveries=others)

    def _put(self, state: State, number: int, one: Delivery) -> State:
        return state._replace(deliveries=(*state.deliveries[:number], one, *state.deliveries[number + 1 :]))


def broken(before: State, state: State, what: str, outage: Outage) -> str | None:
    """The promise that a move breaks."""
    if "is claimed" in what or "is given up" in what:
        return _claimed_wrongly(before, what, outage)
    if before.breaker == "half" and state.breaker == "open" and before.deliveries[int(what[0])].late:
        return "opened again by a probe of before"
    if before.breaker != "open" and state.breaker == "open" and "settles late" in what:
        return "opened by somebody who is no longer asked"
    if (
        before.breaker == "closed"
        and state.breaker == "open"
        and "hung" in what
        and min(before.window[1 - WINDOW :]) >= LATE
    ):
        return "opened by what others have passed"
    if before.breaker == "closed" and state.breaker == "open" and outage.poison and set(before.window) <= {0, LATE}:
        return None if what[0] != "0" else "opened by one transaction"
    if before.breaker == "open" and state.breaker != "open" and not before.deliveries[int(what[0])].probe:
        return "closed by what was on its way"
    return None


def _claimed_wrongly(before: State, what: str, outage: Outage) -> str | None:
    if before.paused:
        return "claimed in a pause"
    if "is given up" in what:
        return _miscounted(before.deliveries[int(what[0])])
    if before.breaker == "open" and outage.awaited(before):
        return "two probes at once"
    if before.breaker == "open" and outage.in_flight(before) >= PROBES:
        return "more and more probes"
    if before.breaker == "half" and outage.in_flight(before) >= before.cap:
        return "more in flight than the ramp allows"
    return None


def _miscounted(one: Delivery) -> str | None:
    if one.noticed:
        return "an attempt of an outage counts"
    return None if one.let_in else "an attempt counts before anybody was let in after it"


def check(protections: Protections | None = None, poison: bool = False, deliveries: int = 3) -> Explored:
    """Look at every state, and at whether it ends well.

    That is: all is done but perhaps the transaction that always fails, the service is back, and the breaker not open.
    """
    outage = Outage(protections or Protections(), poison)

    def moves(state: State) -> Iterator[tuple[str, State, bool]]:
        for what, moved, fault in outage.moves(state):
            yield what, outage.noticed(moved), fault

    return explore(
        State(deliveries=(Delivery(),) * deliveries),
        moves,
        lambda before, after, what: broken(before, after, what, outage),
        lambda state: _is_well(state, poison),
    )


def _is_well(state: State, poison: bool) -> bool:
    healthy = state.deliveries[1:] if poison else state.deliveries
    return state.up and all(one.step in ("done", "failed") for one in healthy)


def main() -> None:
    for poison in (False, True):
        found = check(poison=poison)
        print(f"poison {poison}: {found.broken or 'no promise broken'} ({found.states} states)")
        for name in Protections.__dataclass_fields__:
            found = check(replace(Protections(), **{name: False}), poison, 3 + (name == "no_probe_counts"))
            print(f"  without {name}: {found.broken or 'nothing breaks'} ({found.states} states)")
            if found.story:
                print("      " + " | ".join(found.story))


if __name__ == "__main__":
    main()
