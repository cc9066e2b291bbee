"""An explicit-state model of a Redis that loses a claim in a failover: change it first, then the code.

One transaction and two workers that live. The promoted server may lack the last claim. The counter of claims shows
that to whoever has seen more; whoever has seen less may be the first to claim there. So each worker says what it has
seen when it arrives, and from the first arrival on nobody posts for a moment, within which everybody who lives arrives.
What a worker that dies in the failover has seen, nobody can say: that is not promised without replicas that are waited
for.
`python -m tests.model.lost_past` prints what goes wrong without each protection.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.model.explore import Explored, explore, tell


@dataclass(frozen=True)
class Protections:
    """What txn does against it. Each can be taken away."""

    moment: bool = True
    arrivals_report: bool = True
    only_posts_count: bool = True


class State(NamedTuple):
    """`claims`, `doubt`, `arrived_at`, `moment` and `quarantine` are the server's; `at`: to which of its runs a worker
    is connected; `flying`: POSTs that may still be written; `may_post`: who has a claim and has not posted yet.
    """

    claims: int = 0
    doubt: bool = False
    arrived_at: int = 0
    moment: bool = False
    quarantine: bool = False
    run: int = 0
    at: tuple[int, int] = (0, 0)
    seen: tuple[int, int] = (0, 0)
    may_post: tuple[bool, bool] = (False, False)
    flying: int = 0
    rows: int = 0


#: (what happened, the state after it, whether it needs a fault)
Move = tuple[str, State, bool]


def moves(state: State, with_: Protections) -> Iterator[Move]:
    """Every move that can follow a state."""
    if state.flying:
        yield "a POST is written", state._replace(flying=state.flying - 1, rows=state.rows + 1), False
    if state.run == 0 and state.claims:
        yield "a failover loses the last claim", state._replace(run=1, claims=state.claims - 1, doubt=False), True
    if state.run == 0:
        yield "a failover loses nothing", state._replace(run=1), True
    if state.moment and state.at == (1, 1):  # it is longer than whoever lives takes to arrive
        yield "the moment is over", state._replace(moment=False), False
    waits = state.flying or any(state.may_post)
    if not waits and (state.doubt or state.quarantine):
        yield "doubt and quarantine are over", state._replace(doubt=False, quarantine=False), False
    for number, name in enumerate("AB"):
        for what, after, fault in _of_a_worker(state, number, with_):
            yield f"{name} {what}", after, fault


def _of_a_worker(state: State, number: int, with_: Protections) -> Iterator[Move]:
    if state.may_post[number]:
        posted = state._replace(may_post=_put(state.may_post, number, value=False))
        if state.rows:
            yield "finds it", posted, False
        else:
            yield "GETs 404 and POSTs", posted._replace(flying=state.flying + 1), False
        return
    if state.at[number] != state.run:
        yield "arrives", _arrived(state, number, with_), False
        return
    looked = _reported(state, number)
    if looked.doubt or looked.quarantine or looked.moment:
        if not with_.only_posts_count:
            claims = looked.claims + 1
            seen = _put(looked.seen, number, value=max(claims, looked.seen[number]))
            looked = looked._replace(claims=claims, seen=seen)
        if looked != state:
            yield "claims, may only look", looked, False
        return
    if not state.rows:
        claims = looked.claims + 1
        seen = _put(looked.seen, number, value=max(claims, looked.seen[number]))
        may_post = _put(looked.may_post, number, value=True)
        yield "claims, may post", looked._replace(claims=claims, doubt=True, seen=seen, may_post=may_post), False


def _arrived(state: State, number: int, with_: Protections) -> State:
    if with_.moment and state.arrived_at != state.run:
        state = state._replace(arrived_at=state.run, moment=True)
    if with_.arrivals_report:
        state = _reported(state, number)
    return state._replace(at=_put(state.at, number, value=state.run))


def _reported(state: State, number: int) -> State:
    if state.claims >= state.seen[number]:
        return state
    return state._replace(claims=state.seen[number], quarantine=True)


def _put(pair: tuple, number: int, *, value: int) -> tuple:  # type: ignore[type-arg]
    return (*pair[:number], value, *pair[number + 1 :])


def check(protections: Protections | None = None) -> Explored:
    """Look at every state, and at whether it ends."""

    def breaks(_before: State, after: State, _what: str) -> str | None:
        return "two rows" if after.rows > 1 else None

    def bounded(state: State) -> Iterator[Move]:
        for what, after, fault in moves(state, protections or Protections()):
            if after.claims < 4:
                yield what, after, fault

    return explore(State(), bounded, breaks, lambda state: state.rows == 1)


if __name__ == "__main__":
    tell(Protections(), check)
