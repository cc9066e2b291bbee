"""An explicit-state model of one delivery: change it first, then the code.

One transaction, two workers, any number of wake-ups, crashes, lost answers, late writes, stale reads and operator
replays, in every order. Times are small countdowns and every "not later than" includes its end, so a bound found here
is strict. `python -m tests.model.protocol` prints the bound of the doubt window and what goes wrong without each
protection; in its stories the two workers are interchangeable: the one called A may be B in the next step.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

from tests.model.explore import Explored, explore


@dataclass(frozen=True)
class World:
    """Times in ticks. A POST can be written so `late` after its deadline; for `stale` after that, GET may say 404.

    A row whose POST was rejected all the same shows at once, unless `hides_rejected`: then a rejection is believed that
    is none, which is a limit of P4 that no GET can mend at once; P2 must hold there as anywhere.
    """

    timeout: int = 1
    late: int = 1
    stale: int = 1
    pause: int = 1
    margin: int = 1
    lease: int = 3
    window: int = 3
    hides_rejected: bool = False
    expires: bool = False  #: the transaction has a time after which no POST may begin


@dataclass(frozen=True)
class Protections:
    """What txn does against doubles. Each can be taken away."""

    nonce: bool = True
    status_test: bool = True
    get: bool = True
    doubt_window: bool = True
    claim_writes_doubt: bool = True
    last_check: bool = True
    one_send: bool = True
    final_only_without_doubt: bool = True
    lease_refuses: bool = True
    verifying_get: bool = True
    id_in_the_answer: bool = True
    get_before_rejecting: bool = True
    rejection_leaves_doubt: bool = True
    expires_only_without_doubt: bool = True
    get_before_expiring: bool = True  #: of what was ever allowed to post
    expiry_at_last_check: bool = True
    cancel_only_unposted: bool = True
    clear_is_of_one_claim: bool = True  #: it says nothing of those before it


class Worker(NamedTuple):
    """`step`: idle, claimed, absent (GET said 404), checked, posting, unsure, refused, settling.

    `left`: lease or deadline. `first`: nobody was allowed to post before this claim. `clean`: before this claim it was
    known that nobody had posted it.
    """

    step: str = "idle"
    mine: bool = False
    left: int = 0
    note: str = ""
    first: bool = False
    clean: bool = False


class State(NamedTuple):
    status: str = "pending"
    lease: int = 0
    doubt: int = 0
    rows: int = 0
    stale: int = 0
    expired: bool = False
    tried: bool = False  #: there was a claim that was allowed to post, and did not give that back
    flying: tuple[int, ...] = ()
    workers: tuple[Worker, ...] = (Worker(), Worker())
    #: Some claim that was allowed to post has not been seen to have posted nothing.
    unclear: bool = False


#: (what happened, the state after it, whether it needs a fault)
Move = tuple[str, State, bool]

IDLE = Worker()


class Protocol:
    """Every move that can follow a state."""

    def __init__(self, world: World, protections: Protections) -> None:
        self.world, self.with_ = world, protections

    def moves(self, state: State) -> Iterator[Move]:
        if (ticked := self._tick(state)) is not None:
            yield "tick", ticked, False
        for number in range(len(state.flying)):
            flying = state.flying[:number] + state.flying[number + 1 :]
            yield "a late write lands", self._write(state._replace(flying=flying)), True
        if self.world.expires and not state.expired:
            yield "it expires", state._replace(expired=True), True
        if state.status == "failed":
            yield "an operator replays", state._replace(status="pending", lease=0, expired=False), True
        if state.status == "pending" and not (state.unclear and self.with_.cancel_only_unposted):
            yield "its client cancels", state._replace(status="failed"), True
        if state.expired and self._expires_by_itself(state):
            yield "the rescuer expires it", state._replace(status="failed", lease=0, doubt=0), False
        for number, worker in enumerate(state.workers):
            name = "AB"[number]
            for what, after, fault in getattr(self, f"_{worker.step}")(state, number, worker):
                yield f"{name} {what}", after, fault
            if worker.step != "idle":
                yield f"{name} dies", self._put(self._abandon(state, worker), number, IDLE), True

    def _expires_by_itself(self, state: State) -> bool:
        """Without a claim: it is known that nothing was posted."""
        unposted = not state.unclear or not self.with_.get_before_expiring
        return state.status == "pending" and unposted and not state.doubt

    # What a worker can do, by its step.

    def _idle(self, state: State, number: int, _: Worker) -> Iterator[Move]:
        if state.status in ("completed", "failed"):
            return
        if state.status == "processing" and state.lease and self.with_.lease_refuses:
            return
        may_post = not state.doubt or not self.with_.doubt_window
        others = tuple(worker._replace(mine=not self.with_.nonce and worker.mine) for worker in state.workers)
        after = state._replace(status="processing", lease=self.world.lease, workers=others)
        note = "post" if may_post else "confirm"
        if state.expired and (may_post or not self.with_.expires_only_without_doubt):
            note = "final" if state.tried and self.with_.get_before_expiring and may_post else "expired"
        if note == "post":
            after = after._replace(tried=True, unclear=True)
        if note == "post" and self.with_.claim_writes_doubt:
            after = after._replace(doubt=self.world.lease + self.world.window)
        claimed = Worker("claimed", mine=True, left=self.world.lease, note=note)
        claimed = claimed._replace(first=not state.tried, clean=not state.unclear)
        due = not state.doubt if state.status == "pending" else not state.lease
        yield f"claims, may {claimed.note}", self._put(after, number, claimed), not due

    def _claimed(self, state: State, number: int, worker: Worker) -> Iterator[Move]:
        if worker.note == "expired":
            yield "says that it has expired", self._to_settle(state, number, "fail"), False
            return
        confirm_only = worker.note == "confirm"
        if state.rows and self.with_.get:
            yield "GETs 200", self._to_settle(state, number, "complete"), False
        if not state.rows or state.stale or not self.with_.get:
            stale = bool(state.rows)
            if worker.note == "final":
                yield "GETs 404, expired", self._to_settle(state, number, "fail"), stale
            elif confirm_only:
                yield "GETs 404, in doubt", self._to_settle(state, number, "keep"), stale
            else:
                yield "GETs 404", self._put(state, number, worker._replace(step="absent")), stale
                yield "GETs 404, no attempts left", self._to_settle(state, number, "fail"), True
        may_post = worker.note == "post"
        yield "GETs nothing", self._to_settle(state, number, "clear" if may_post else "keep"), True

    def _absent(self, state: State, number: int, worker: Worker) -> Iterator[Move]:
        late = state.expired and self.with_.expiry_at_last_check
        if not late and (worker.left >= self.world.timeout + self.world.margin or not self.with_.last_check):
            yield "checks its lease", self._put(state, number, worker._replace(step="checked", left=0)), False
        else:
            yield "gives back", self._to_settle(state, number, "release"), False

    def _checked(self, state: State, number: int, worker: Worker) -> Iterator[Move]:
        posting = worker._replace(step="posting", left=self.world.timeout, note="")
        yield "POSTs", self._put(state, number, posting), False
        yield "cannot connect", self._to_settle(state, number, "clear"), True

    def _posting(self, state: State, number: int, worker: Worker) -> Iterator[Move]:
        unsure = self._put(state, number, worker._replace(step="unsure"))
        refused = self._put(state, number, worker._replace(step="refused"))
        if worker.note == "written":
            yield "gets 200", self._to_settle(state, number, "complete"), False
            yield "gets 500 after the write", unsure, True
            shown = refused if self.world.hides_rejected else refused._replace(stale=0)
            yield "gets 400 after the write", shown, True
            return
        written = self._put(self._write(state), number, worker._replace(note="written"))
        yield "is written", written, False
        yield "gets 400", refused, True
        if self.world.hides_rejected:
            yield "gets 400, the request lives on", self._abandon(refused, worker), True
        yield "gets 401", self._to_settle(state, number, "clear"), True
        yield "gets 500, the request lives on", self._abandon(unsure, worker), True
        claimed = unsure if self.with_.id_in_the_answer else self._to_settle(state, number, "complete")
        yield "gets 200 without the id, the request lives on", self._abandon(claimed, worker), True
        if not self.with_.one_send:
            yield "is written, and written again by the transport", self._write(self._write(unsure)), True

    def _unsure(self, state: State, number: int, worker: Worker) -> Iterator[Move]:
        if state.rows and self.with_.verifying_get:
            yield "verifies: there", self._to_settle(state, number, "complete"), False
        fault = bool(state.rows) and self.with_.verifying_get
        yield "verifies: nothing", self._to_settle(state, number, "maybe", worker.left), fault
        if not self.with_.final_only_without_doubt and (not state.rows or state.stale):
            yield "verifies: 404, no attempts left", self._to_settle(state, number, "fail"), True

    def _refused(self, state: State, number: int, worker: Worker) -> Iterator[Move]:
        rejected = self._to_settle(state, number, "reject", worker.left)
        if not self.with_.get_before_rejecting:
            yield "believes the rejection", rejected, False
            return
        if state.rows:
            yield "verifies the rejection: there", self._to_settle(state, number, "complete"), False
        if not state.rows or state.stale:
            yield "verifies the rejection: 404", rejected, bool(state.rows)
        yield "verifies the rejection: nothing", self._to_settle(state, number, "maybe", worker.left), True

    def _settling(self, state: State, number: int, worker: Worker) -> Iterator[Move]:
        idle = self._put(state, number, IDLE)
        if not worker.mine or state.status == "completed" or (self.with_.status_test and state.status != "processing"):
            yield "has its settle refused", idle, False
            return
        undone = " over the replay" if worker.note in ("fail", "reject") and state.status == "pending" else ""
        what = f"settles {worker.note}{undone}"
        yield what, self._settled(idle, worker), False
        if not self.with_.status_test:
            yield f"{what}, the answer is lost", self._settled(state, worker), True

    # What that does to the state.

    def _settled(self, state: State, worker: Worker) -> State:
        unclear = not worker.clean and self.with_.clear_is_of_one_claim
        match worker.note:
            case "complete":
                return state._replace(status="completed", lease=0, doubt=0)
            case "fail":
                return state._replace(status="failed", lease=0, doubt=0)
            case "reject":
                doubt = worker.left + self.world.window if self.with_.rejection_leaves_doubt else 0
                return state._replace(status="failed", lease=0, doubt=doubt)
            case "clear":
                return state._replace(status="pending", lease=0, doubt=0, unclear=unclear)
            case "release":
                clean = {"tried": not worker.first, "unclear": unclear}
                return state._replace(status="pending", lease=0, doubt=0, **clean)
            case "keep":
                return state._replace(status="pending", lease=0)
        return state._replace(status="pending", lease=0, doubt=worker.left + self.world.window)

    def _tick(self, state: State) -> State | None:
        if any(worker.step == "checked" and worker.left >= self.world.pause for worker in state.workers):
            return None
        flying = [left - 1 for left in state.flying if left > 0]
        workers = []
        for worker in state.workers:
            if worker.step == "posting" and worker.left == 0:  # its deadline passes
                if worker.note != "written" and self.world.late:
                    flying.append(self.world.late - 1)
                workers.append(worker._replace(step="unsure"))
            elif worker.step == "checked":
                workers.append(worker._replace(left=worker.left + 1))
            else:
                workers.append(worker._replace(left=max(0, worker.left - 1)))
        return state._replace(
            lease=max(0, state.lease - 1),
            doubt=max(0, state.doubt - 1),
            stale=max(0, state.stale - 1),
            flying=tuple(sorted(flying)[-2:]),
            workers=tuple(workers),
        )

    def _write(self, state: State) -> State:
        stale = self.world.stale + 1 if self.world.stale and not state.rows else state.stale
        return state._replace(rows=min(2, state.rows + 1), stale=stale)

    def _abandon(self, state: State, worker: Worker) -> State:
        """A request that nobody waits for can be written until its deadline and then for as long as it is late."""
        if worker.step != "posting" or worker.note == "written":
            return state
        return state._replace(flying=tuple(sorted((*state.flying, worker.left + self.world.late))[-2:]))

    def _to_settle(self, state: State, number: int, outcome: str, left: int = 0) -> State:
        settling = state.workers[number]._replace(step="settling", left=left, note=outcome)
        return self._put(state, number, settling)

    def _put(self, state: State, number: int, worker: Worker) -> State:
        workers = (*state.workers[:number], worker, *state.workers[number + 1 :])
        return state._replace(workers=workers)


def broken(state: State, what: str) -> str | None:
    """The promise that a state, reached by `what`, breaks."""
    if state.expired and "checks its lease" in what:
        return "begins to POST although it has expired"
    if state.rows > 1:
        return "two rows"
    if state.status == "completed" and not state.rows:
        return "completed, but not there"
    if state.status == "failed" and state.rows:
        return "failed, but there"
    if "over the replay" in what:
        return "a settle sent twice undoes a replay"
    return None


@functools.cache
def check(world: World | None = None, protections: Protections | None = None) -> Explored:
    """Look at every state, and at whether it ends.

    Where rejected rows are hidden, "failed, but there" is known, and what else may break is looked for.
    """
    protocol = Protocol(world or World(), protections or Protections())

    def moves(state: State) -> Iterator[tuple[str, State, bool]]:
        for what, after, fault in protocol.moves(state):
            yield what, _canonical(after), fault

    def breaks(_before: State, after: State, what: str) -> str | None:
        promise = broken(after, what)
        known = protocol.world.hides_rejected and promise == "failed, but there"
        return None if known else promise

    return explore(_canonical(State()), moves, breaks, lambda state: state.status in ("completed", "failed"))


def _canonical(state: State) -> State:
    return state._replace(workers=tuple(sorted(state.workers)))


def smallest_safe_window(world: World) -> int:
    """The smallest doubt window, in ticks, without a double."""
    lease = world.timeout + world.margin + 1
    return next(s for s in range(1, 20) if check(replace(world, window=s, lease=lease)).broken is None)


def bound(world: World) -> int:
    """The bound that README publishes: doubles need late + stale + max(0, pause - margin) >= window."""
    return world.late + world.stale + max(0, world.pause - world.margin)


WORLDS = [
    World(late=late, stale=stale, pause=pause, margin=margin)
    for late, stale, pause, margin in product((0, 1), (0, 1), (0, 2), (0, 1))
]

_OF_EXPIRY = ("expires_only_without_doubt", "get_before_expiring", "expiry_at_last_check")
#: The world in which a protection matters, if it is not the usual one.
WITHOUT = {
    "rejection_leaves_doubt": World(hides_rejected=True),
    **dict.fromkeys(_OF_EXPIRY, World(expires=True)),
}


def main() -> None:
    print(f"all protections: {check().broken or 'no promise broken'} ({check().states} states)")
    for name in Protections.__dataclass_fields__:
        found = check(WITHOUT.get(name), replace(Protections(), **{name: False}))
        print(f"without {name}: {found.broken or 'nothing breaks: it is there for speed'}")
        if found.story:
            print("    " + " | ".join(found.story))
    for world in WORLDS:
        print(f"{world}: window must be > {bound(world)}, smallest without a double: {smallest_safe_window(world)}")


if __name__ == "__main__":
    main()
