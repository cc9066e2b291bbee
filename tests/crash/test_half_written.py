import contextlib
import itertools
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import pytest
import redis

import txn.store.scripts
from ops.mock_posting.client import MockPosting
from ops.redis_server import RedisServer
from tests.crash.half_written import SETTINGS, Rig, faulty_text_of
from tests.crash.world import BrokenPromise
from tests.doctor.test_rights import LUA
from tests.parts import BODY, submission
from tests.unit.test_trace import GIVEN
from txn.delivery.rescuer import LIMIT
from txn.errors import NotCancellable, StoreUnavailable, TxnError
from txn.model.dead_letter import Action, Filter
from txn.model.outcome import Cause, Clear, Completed, Failed, Maybe, Released, Retry, Settlement
from txn.model.transaction import ErrorCode, Evidence, rfc3339
from txn.operate.callbacks import CallbackLetters
from txn.operate.events import Events
from txn.operate.limits import parse_rate
from txn.posting.results import Posted
from txn.posting.service import PostingService
from txn.store.arrival import MOMENT_MS
from txn.store.database import ScriptCall, unavailable
from txn.store.intake import IntakeMonitor
from txn.store.integrity import Integrity
from txn.store.oldest import Oldest

TEXT_OF = txn.store.scripts.text_of
Step = Callable[[Rig], object]
IDS = ("a", "b", "c")
#: Failures that tell what is wrong: no more are looked for.
ENOUGH = 5
NOT_REACHED = Retry(Cause.OUTAGE, "refused", Clear(), 0)


def nothing(rig: Rig) -> None:
    return None


def accepted(rig: Rig) -> None:
    rig.accept("a")


def accepted_together(*, atomic: bool) -> Step:
    def act(rig: Rig) -> None:
        many = [submission(name) for name in (*IDS, "a")]
        failures = []
        for reply in rig.parts.store.accept_batch(many, atomic=atomic):
            if isinstance(reply, StoreUnavailable):
                failures.append(reply)
                continue
            assert isinstance(reply, tuple)
            transaction, new = reply
            rig.told.add(transaction.id)
            if new:
                rig.stored_whole(transaction.id)
        if failures:
            raise failures[0]

    return act


def answering(*post: str) -> Step:
    def prepare(rig: Rig) -> None:
        rig.mock.script("a", post=list(post))
        rig.accept("a")

    return prepare


def taken_over(rig: Rig) -> None:
    rig.accept("a")
    rig.parts.fetched_by_the_dead()
    rig.parts.claimed("a")
    rig.clock.forward(SETTINGS.lease_ms + 1)


def expiring(rig: Rig) -> None:
    """In a minute, which is after its first delivery has ended."""
    at = rfc3339(rig.parts.read_statistics().now_ms + 60_000)
    rig.parts.store.accept(submission("a", BODY[:1] + f'"deliverBy": "{at}", '.encode() + BODY[1:]))
    rig.told.add("a")
    rig.stored_whole("a")


def traced(rig: Rig) -> None:
    rig.parts.store.accept(replace(submission("a"), trace=GIVEN))
    rig.told.add("a")
    rig.stored_whole("a")
    assert rig.parts.record("a")["trace"] == GIVEN


def told(rig: Rig, *post: str) -> None:
    """Somebody wants to hear how it ends."""
    rig.mock.script("a", post=list(post or ["ok"]))
    rig.parts.store.accept(replace(submission("a"), callback="https://hooks.example/"))
    rig.told.add("a")
    rig.stored_whole("a")


def expired_and_told(rig: Rig) -> None:
    at_ms = rig.parts.read_statistics().now_ms + 60_000
    told_at = replace(submission("a"), callback="https://hooks.example/", deliver_by_ms=at_ms)
    rig.parts.store.accept(told_at)
    rig.told.add("a")
    rig.clock.forward(60_001)


def to_be_told(rig: Rig) -> None:
    told(rig)
    rig.deliver("a")


def callback_given_up(rig: Rig) -> None:
    to_be_told(rig)
    rig.tell("gone")


def operate_callbacks(what: str) -> Step:
    return lambda rig: getattr(CallbackLetters(rig.parts.database, rig.parts.database), what)(
        [name for name, _ in rig.heard], "ann", "why"
    )


def expired(rig: Rig) -> None:
    expiring(rig)
    rig.clock.forward(60_000)


def expired_after_a_try(rig: Rig) -> None:
    expiring(rig)
    rig.parts.settle(rig.parts.claimed("a"), Retry(Cause.NOT_WRITTEN, "500", Clear(), 0), answered=True)
    rig.clock.forward(60_000)


def expired_without_a_post(rig: Rig) -> None:
    """It is counted as retrying and in doubt, waits for the end of an outage, and somebody is to be told of its end."""
    expiring(rig)
    rig.parts.settle(rig.parts.claimed("a"), NOT_REACHED, outage="refused", calls="G")
    rig.parts.client.hset(rig.parts.keys.record("a"), mapping={"uncertain": 1, "callback": "https://hooks.example/"})
    rig.parts.client.hincrby(rig.parts.keys.count, "in_doubt", 1)
    rig.clock.forward(60_000)


def expired_in_a_claim(rig: Rig) -> None:
    expiring(rig)
    rig.parts.claimed("a")
    rig.clock.forward(60_000)


def expired_letter(rig: Rig) -> None:
    expired(rig)
    rig.run_to_quiet()


def crashed_three_times(rig: Rig) -> None:
    taken_over(rig)
    for _ in range(2):
        rig.parts.claimed("a")
        rig.clock.forward(SETTINGS.lease_ms + 1)


def retried(rig: Rig) -> None:
    rig.accept("a")
    rig.parts.settle(rig.parts.claimed("a"), Retry(Cause.UNCERTAIN, "because", Maybe(500), 0), answered=True)
    rig.clock.forward(501)


def sent_away(rig: Rig) -> None:
    rig.accept("a")
    outcome = Retry(Cause.SENT_AWAY, "429", Clear(), 0, others=True)
    rig.parts.settle(rig.parts.claimed("a"), outcome, answered=True)
    rig.clock.forward(101)


def exhausted(rig: Rig) -> None:
    rig.accept("a")
    for number in range(SETTINGS.max_attempts):
        rig.parts.settle(rig.parts.claimed("a"), Retry(Cause.UNCERTAIN, "because", Maybe(0), 0), answered=True)
        rig.accept(f"b{number}")
        rig.deliver(f"b{number}")
        rig.clock.forward(10)


def claimed_by_hand(rig: Rig) -> None:
    rig.accept("a")
    assert rig.parts.store.claim("a", "owner") is not None


def message_lost(rig: Rig) -> None:
    rig.accept("a")
    rig.parts.client.delete(rig.parts.keys.messages, rig.parts.keys.message_bodies)
    rig.clock.forward(SETTINGS.grace_ms + 1)


def handed_over(rig: Rig) -> None:
    for name in ("a", "b"):
        rig.accept(name)
    rig.messages.fetch(1)
    rig.messages.fetch(0, ["a"])
    rig.clock.forward(SETTINGS.grace_ms + 1)


def one_processed(rig: Rig) -> None:
    rig.accept("a")
    rig.accept("b")
    [(name, _)] = rig.messages.fetch(1)
    rig.deliver("a")
    rig.acked.append(name)


def held_unknowingly(rig: Rig) -> None:
    rig.accept("a")
    rig.messages.fetch(1)


def held_by_the_dead(rig: Rig) -> None:
    rig.accept("a")
    rig.parts.fetched_by_the_dead()
    rig.clock.forward(11_000)


def away(rig: Rig) -> None:
    """The breaker is open: three wait because of it, and one more in the queue."""
    for name in (*IDS, "young"):
        rig.accept(name)
    for _ in range(4):
        for name in IDS:
            if claim := rig.parts.claim(name):
                retry = Retry(Cause.UNCERTAIN, "503", Maybe(0), 0)
                rig.parts.settle(claim, retry, answered=True, outage="503", calls="gPg")
        rig.clock.forward(1)
    assert rig.parts.client.hget(rig.parts.keys.posting, "breaker") == b"open"
    for name in IDS:
        rig.parts.client.lrem(rig.parts.keys.messages, 0, name)
        rig.parts.client.hdel(rig.parts.keys.message_bodies, name)


def nearly_away(rig: Rig) -> None:
    rig.parts.client.hset(rig.parts.keys.posting, "posts", "abcdef" * 9 + "abc")
    answering("truncate")(rig)
    rig.mock.script("a", post=["fail_before"])


def a_while_away(rig: Rig) -> None:
    away(rig)
    rig.clock.forward(2_000)


def probed(rig: Rig) -> None:
    a_while_away(rig)
    rig.parts.store.due(1)


def probe_without_an_answer(rig: Rig, name: str) -> None:
    assert rig.parts.store.claim(name, f"owner of {name}") is not None
    rig.parts.client.lrem(rig.parts.keys.messages, 0, name)
    rig.parts.client.hdel(rig.parts.keys.message_bodies, name)
    rig.clock.forward(2_000)


def probe_hangs(rig: Rig) -> None:
    probed(rig)
    probe_without_an_answer(rig, "a")
    rig.parts.store.due(1)


def two_probes_hang(rig: Rig) -> None:
    probe_hangs(rig)
    probe_without_an_answer(rig, "b")


def probe_has_hung(rig: Rig) -> None:
    retry = Retry(Cause.UNCERTAIN, "no answer", Maybe(0), 0)
    rig.parts.store.settle("a", "owner of a", Settlement(retry, answered=True, outage="no answer", calls="gP!g"))


def on_the_ramp(cap: int) -> Step:
    def prepare(rig: Rig) -> None:
        away(rig)
        rig.parts.client.hset(rig.parts.keys.posting, mapping={"breaker": "half", "cap": cap})

    return prepare


def ramp_without_room(rig: Rig) -> None:
    on_the_ramp(1)(rig)
    rig.clock.forward(2_000)


def back(rig: Rig) -> None:
    on_the_ramp(128)(rig)
    rig.deliver("young")
    assert rig.parts.client.hget(rig.parts.keys.posting, "breaker") is None


def pause(rig: Rig) -> None:
    rig.parts.pauses.pause("ann", "why", rig.parts.read_statistics().now_ms + 60_000)


def paused(rig: Rig) -> None:
    rig.accept("a")
    pause(rig)
    rig.deliver("a")


def pause_is_over(rig: Rig) -> None:
    paused(rig)
    rig.parts.client.delete(rig.parts.keys.messages, rig.parts.keys.message_bodies)
    rig.clock.forward(60_001)


def limited(rig: Rig, *, in_flight: int = 1) -> None:
    """At most so many in flight, and one a second; what began before is over."""
    rig.parts.limits.set("ann", "why", in_flight=in_flight, rate=parse_rate("60/min"))
    rig.clock.forward(SETTINGS.lease_ms)


def limited_from_now(rig: Rig) -> None:
    rig.accept("a")
    limited(rig)


def place_not_taken(rig: Rig) -> None:
    limited_from_now(rig)
    rig.messages.fetch(1)
    rig.clock.forward(3_000)


def limit_reached(rig: Rig) -> None:
    for name in ("a", "b"):
        rig.accept(name)
    rig.messages.fetch(2)
    limited(rig)
    rig.parts.claimed("b")


def turned_back(rig: Rig) -> None:
    limit_reached(rig)
    rig.deliver("a")
    rig.acked += ["a", "b"]
    rig._take()


def nearly_held(rig: Rig) -> None:
    rig.parts.client.hset(rig.parts.keys.posting, "posts", "abc")
    answering("throttle")(rig)


def held(rig: Rig) -> None:
    rig.accept("a")
    rig.parts.client.hset(rig.parts.keys.posting, "hold_until", rig.parts.read_statistics().now_ms + 1_000)
    rig.deliver("a")
    rig.clock.forward(1_001)


def hung(rig: Rig) -> None:
    rig.accept("a")
    rig.parts.settle(rig.parts.claimed("a"), Retry(Cause.OUTAGE, "late", Maybe(0), 0), outage="late", calls="G!")
    rig.clock.forward(1)


def crowded(rig: Rig) -> None:
    hung(rig)
    places = {f"x{number}": rig.parts.read_statistics().now_ms + 5_000 for number in range(SETTINGS.max_hanging)}
    rig.parts.client.zadd(rig.parts.keys.hanging, places)


def letters(rig: Rig) -> None:
    for name in IDS:
        rig.mock.script(name, post=["reject"])
        rig.accept(name)
    rig.run_to_quiet()


def run_begun(what: Action) -> Step:
    def prepare(rig: Rig) -> None:
        letters(rig)
        rig.parts.start_run("run", what, Filter(), "ann", "why")

    return prepare


def run_taken(what: Action) -> Step:
    def prepare(rig: Rig) -> None:
        run_begun(what)(rig)
        rig.parts.runs.take("run", "me")

    return prepare


def more_than_confirmed(rig: Rig) -> None:
    run_taken(Action.REPLAY)(rig)
    rig.parts.client.hset(rig.parts.keys.bulk_run("run"), "confirmed", 2)


def discarded(rig: Rig) -> None:
    letters(rig)
    rig.parts.operations.discard(IDS, "ann", "why")


def discarded_and_taken(rig: Rig) -> None:
    discarded(rig)
    rig.parts.start_run("run", Action.REPLAY, Filter(discarded=True), "ann", "why")
    rig.parts.runs.take("run", "me")


def together(rig: Rig, *calls: ScriptCall) -> None:
    """One call for several ids: who has an error asks again."""
    for reply in rig.parts.together(*calls):
        if isinstance(reply, redis.ResponseError):
            raise unavailable(reply)


def three_accepted(rig: Rig) -> None:
    for name in IDS:
        rig.accept(name)


def claim_together(rig: Rig) -> None:
    together(rig, *(rig.parts.store.claiming(name, f"owner of {name}") for name in IDS))


def three_delivered(rig: Rig) -> None:
    three_accepted(rig)
    claims = [rig.parts.store.claim(name, f"owner of {name}") for name in IDS]
    assert claims[0] is not None
    posted = PostingService(rig.transport, 20_000).post("a", claims[0].payload, claims[0].submitted_ms, lambda: True)
    assert isinstance(posted, Posted)


def settle_together(rig: Rig) -> None:
    outcomes = (
        Completed(Evidence.POSTED),
        Failed(ErrorCode.REJECTED, "no", Clear()),
        Retry(Cause.NOT_WRITTEN, "500", Clear(), 0),
    )
    settlements = [Settlement(outcome, answered=True, taken=True, calls="gp") for outcome in outcomes]
    settling = rig.parts.store.settling
    together(rig, *(settling(name, f"owner of {name}", one) for name, one in zip(IDS, settlements, strict=True)))


def step_on(rig: Rig) -> None:
    """What a worker does, and does again from where the run stands if that fails."""
    run = rig.parts.runs.read("run")
    chunk = rig.parts.letters.chunk(run.filter, run.cursor_ms, run.before_ms, 100)
    rig.parts.runs.step(run, "me", chunk, '{"by":"ann"}')


def cancel(rig: Rig) -> None:
    """A worker may have been quicker than who asks again."""
    try:
        rig.parts.store.cancel("a", "ann")
    except NotCancellable:
        if rig.parts.status("a") == "pending":
            raise


def operate(what: str) -> Step:
    return lambda rig: getattr(rig.parts.operations, what)(IDS, "ann", "why")


def not_in_the_index(rig: Rig) -> None:
    letters(rig)
    rig.accept("d")
    client, keys = rig.parts.client, rig.parts.keys
    client.zrem(keys.due, "d")
    for name in (keys.failed, f"{keys.failed}:rejected", keys.dead_messages):
        client.zrem(name, "b")
    client.hdel(keys.dead_message_bodies, "b")


def expiring_by_hand(rig: Rig) -> None:
    expiring(rig)
    assert rig.parts.store.claim("a", "owner") is not None


def not_reached_by_hand(rig: Rig) -> None:
    rig.parts.store.settle("a", "owner", Settlement(NOT_REACHED, outage="refused", calls="G"))


def settle_by_hand(rig: Rig) -> None:
    rig.parts.store.settle("a", "owner", Settlement(Released()))


def sweep(rig: Rig) -> None:
    Integrity(rig.parts.database, "@ID@").look_at_all()


def look_at_intake(rig: Rig) -> None:
    monitor = IntakeMonitor(rig.parts.database, rig.parts.settings)
    monitor.refused("rate")
    monitor.beat()


def look_for_due(rig: Rig) -> None:
    rig.parts.store.due(LIMIT)


def arrive_at_a_promoted_server(rig: Rig) -> None:
    arguments = ("promoted", 1, SETTINGS.lease_ms, SETTINGS.doubt_window_ms, MOMENT_MS, rig.clock.shift_ms)
    rig.parts.database.run("arrive", [rig.parts.keys.epoch], arguments)


@dataclass(frozen=True)
class Scene:
    """`act` runs `script`; whoever does it does it again after a failure, or never comes back.

    `swept`: where nobody comes back, the workers' slow look at all records completes it.
    """

    name: str
    script: str
    prepare: Step
    act: Step
    swept: bool = False


SCENES = [
    Scene("accept", "accept", nothing, accepted),
    Scene("batch", "accept", nothing, accepted_together(atomic=False)),
    Scene("batch, all or none", "accept", nothing, accepted_together(atomic=True)),
    Scene("batch, some known", "accept", accepted, accepted_together(atomic=False)),
    Scene("claim, fresh", "claim", accepted, lambda rig: rig.deliver("a")),
    Scene("claim, three at once", "claim", three_accepted, claim_together),
    Scene("settle, three at once", "settle", three_delivered, settle_together),
    Scene("claim, again", "claim", retried, lambda rig: rig.deliver("a")),
    Scene("claim, from the dead", "claim", taken_over, lambda rig: rig.deliver("a")),
    Scene("claim, from too many dead", "claim", crashed_three_times, lambda rig: rig.deliver("a")),
    Scene("claim, no attempts left", "claim", exhausted, lambda rig: rig.deliver("a")),
    Scene("accept, it expires", "accept", nothing, expiring),
    Scene("accept, of a trace", "accept", nothing, traced),
    Scene("claim, expired", "claim", expired, lambda rig: rig.deliver("a")),
    Scene("claim, expired after a try", "claim", expired_after_a_try, lambda rig: rig.deliver("a")),
    Scene("settle, it expires, and has to wait", "settle", expiring_by_hand, not_reached_by_hand),
    Scene("due, it expires", "due", expired, look_for_due),
    Scene("due, it expires in an outage", "due", expired_without_a_post, look_for_due),
    Scene("due, it expires after a try", "due", expired_after_a_try, look_for_due),
    Scene("due, it expires in a claim", "due", expired_in_a_claim, look_for_due),
    Scene("settle, expired", "settle", expired, lambda rig: rig.deliver("a")),
    Scene("replay, expired", "operate", expired_letter, lambda rig: rig.parts.operations.replay(["a"], "ann", "why")),
    Scene("settle, completed", "settle", accepted, lambda rig: rig.deliver("a")),
    Scene("settle, completed after a failure", "settle", retried, lambda rig: rig.deliver("a")),
    Scene("settle, not written", "settle", answering("fail_before"), lambda rig: rig.deliver("a")),
    Scene("settle, uncertain", "settle", answering("truncate"), lambda rig: rig.deliver("a")),
    Scene("settle, sent away", "settle", answering("throttle"), lambda rig: rig.deliver("a")),
    Scene("settle, rejected", "settle", answering("reject"), lambda rig: rig.deliver("a")),
    Scene("settle, crashed", "settle", crashed_three_times, lambda rig: rig.deliver("a")),
    Scene("settle, given back", "settle", claimed_by_hand, settle_by_hand),
    Scene("claim, away", "claim", away, lambda rig: rig.deliver("young")),
    Scene("claim, a probe", "claim", probed, lambda rig: rig.deliver("a")),
    Scene("settle, it opens", "settle", nearly_away, lambda rig: rig.deliver("a")),
    Scene("settle, a probe", "settle", probed, lambda rig: rig.deliver("a")),
    Scene("claim, a probe beside one that hangs", "claim", probe_hangs, lambda rig: rig.deliver("b")),
    Scene("settle, a probe beside one that hangs", "settle", probe_hangs, lambda rig: rig.deliver("b")),
    Scene("settle, a probe that hung", "settle", two_probes_hang, probe_has_hung),
    Scene("settle, on the ramp", "settle", on_the_ramp(2), lambda rig: rig.deliver("young")),
    Scene("settle, it closes", "settle", on_the_ramp(128), lambda rig: rig.deliver("young")),
    Scene("due, a probe is offered", "due", a_while_away, look_for_due),
    Scene("due, on the ramp", "due", on_the_ramp(8), look_for_due),
    Scene("due, on the ramp without room", "due", ramp_without_room, look_for_due),
    Scene("due, it is back", "due", back, look_for_due),
    Scene("fetch, a probe", "fetch", probed, lambda rig: rig._take()),
    Scene("due, message lost", "due", message_lost, look_for_due),
    Scene("due, message gone a moment ago", "due", handed_over, look_for_due),
    Scene("due, worker dead", "due", taken_over, look_for_due),
    Scene("claim, it hung before", "claim", hung, lambda rig: rig.deliver("a")),
    Scene("claim, no place for what hangs", "claim", crowded, lambda rig: rig.deliver("a")),
    Scene("settle, it hung before", "settle", hung, lambda rig: rig.deliver("a")),
    Scene("pause", "pause", accepted, pause),
    Scene("resume", "pause", paused, lambda rig: rig.parts.pauses.resume("ann")),
    Scene("due, a pause is over", "due", pause_is_over, look_for_due),
    Scene("intake", "intake", accepted, look_at_intake),
    Scene("a limit is set", "limit", accepted, limited),
    Scene("a limit is taken away", "limit", limited_from_now, lambda rig: rig.parts.limits.remove("ann")),
    Scene("fetch, limited", "fetch", limited_from_now, lambda rig: rig._take()),
    Scene("claim, limited", "claim", limited_from_now, lambda rig: rig.deliver("a")),
    Scene("claim, limit reached", "claim", limit_reached, lambda rig: rig.deliver("a")),
    Scene("settle, limited", "settle", limited_from_now, lambda rig: rig.deliver("a")),
    Scene("settle, asked to wait", "settle", nearly_held, lambda rig: rig.deliver("a")),
    Scene("due, limited", "due", place_not_taken, look_for_due),
    Scene("due, turned back", "due", turned_back, look_for_due),
    Scene("due, a wait is over", "due", held, look_for_due),
    Scene("push", "push", accepted, lambda rig: rig.parts.messages().push("a~x", b'{"args":["a"]}')),
    Scene("fetch", "fetch", accepted, lambda rig: rig._take()),
    Scene("fetch, acknowledging", "fetch", one_processed, lambda rig: rig._take()),
    Scene("requeue", "requeue", held_unknowingly, lambda rig: rig.messages.requeue_all_but(())),
    Scene("heartbeat", "heartbeat", held_by_the_dead, lambda rig: rig.messages.heartbeat({"host": "h"})),
    Scene("cancel", "cancel", accepted, cancel),
    Scene("cancel, after it was sent away", "cancel", sent_away, cancel),
    Scene("settle, sent away again", "settle", sent_away, lambda rig: rig.deliver("a")),
    Scene("replay", "operate", letters, operate("replay")),
    Scene("discard", "operate", letters, operate("discard"), swept=True),
    Scene(
        "bulk run begins",
        "bulk",
        letters,
        lambda rig: rig.parts.start_run("run", Action.REPLAY, Filter(), "ann", "why"),
    ),
    Scene("bulk run is taken", "bulk", run_begun(Action.REPLAY), lambda rig: rig.parts.runs.take("run", "me")),
    Scene("bulk replay", "bulk", run_taken(Action.REPLAY), step_on),
    Scene("bulk discard", "bulk", run_taken(Action.DISCARD), step_on, swept=True),
    Scene("replay of discarded", "operate", discarded, operate("replay")),
    Scene("bulk replay of discarded", "bulk", discarded_and_taken, step_on),
    Scene("bulk run meets more", "bulk", more_than_confirmed, step_on),
    Scene("bulk run is stopped", "bulk", run_begun(Action.REPLAY), lambda rig: rig.parts.runs.stop("run", "ann")),
    Scene(
        "notice",
        "notice",
        accepted,
        lambda rig: Events(rig.parts.database).notice("posting", "away", 1, rig.parts.read_statistics().now_ms),
    ),
    Scene("accept, somebody is told", "accept", nothing, told),
    Scene("settle, completed, somebody is told", "settle", told, lambda rig: rig.deliver("a")),
    Scene(
        "settle, rejected, somebody is told", "settle", lambda rig: told(rig, "reject"), lambda rig: rig.deliver("a")
    ),
    Scene("cancel, somebody is told", "cancel", told, cancel),
    Scene("due, it expires, somebody is told", "due", expired_and_told, look_for_due),
    Scene("a callback is taken", "callbacks_due", to_be_told, lambda rig: rig.tell()),
    Scene("a callback is told", "callback_sent", to_be_told, lambda rig: rig.tell()),
    Scene("a callback has failed", "callback_sent", to_be_told, lambda rig: rig.tell("again")),
    Scene("a callback is given up", "callback_sent", to_be_told, lambda rig: rig.tell("gone")),
    Scene("a callback is replayed", "callback_operate", callback_given_up, operate_callbacks("replay"), swept=True),
    Scene("a callback is discarded", "callback_operate", callback_given_up, operate_callbacks("discard"), swept=True),
    Scene("arrive", "arrive", accepted, arrive_at_a_promoted_server),
    Scene("oldest", "oldest", accepted, lambda rig: Oldest(rig.parts.database).beat()),
    Scene("sweep", "sweep", not_in_the_index, sweep, swept=True),
]


@pytest.fixture(autouse=True)
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("txn.store.scripts.text_of", faulty_text_of)


class Cell(NamedTuple):
    """`mode`: the write fails `once`; `key`, `field`: it fails until it is repaired. `again`: who acted asks again."""

    scene: Scene
    number: int
    mode: str
    again: bool

    def __str__(self) -> str:
        return f"{self.scene.name}, write {self.number} fails, {self.mode}, {'asked again' if self.again else 'left'}"


def play(server: RedisServer, mock: MockPosting, cell: Cell, broken: str = "") -> tuple[str, str]:
    """(what was broken, or nothing if the script never came to it; what promise that broke, or nothing)."""
    scene, struck = cell.scene, ""
    mock.reset()
    with Rig(server.url, f"{uuid.uuid4().hex[:8]}:", mock) as rig:
        try:
            scene.prepare(rig)
            rig.break_write(scene.script, cell.number, cell.mode, broken)
            told = _acted(rig, scene)
            if cell.mode != "once":
                for _ in range(3):
                    rig.work()
                    told = told or (cell.again and _acted(rig, scene))
            struck = rig.repair()
            if cell.again and not told and not _acted(rig, scene):
                raise BrokenPromise("repaired, and it fails all the same")
            end(rig, scene)
        except BrokenPromise as error:
            return struck or rig.repair(), str(error)
        return struck, ""


def _acted(rig: Rig, scene: Scene) -> bool:
    with contextlib.suppress(TxnError):
        scene.act(rig)
        return True
    return False


def end(rig: Rig, scene: Scene) -> None:
    """All is delivered, and everything is as it must be. Raises: BrokenPromise."""
    rig.run_to_quiet()
    if scene.swept:
        sweep(rig)
        rig.run_to_quiet()
    rig.check()
    check_deeds(rig, scene)


def check_deeds(rig: Rig, scene: Scene) -> None:
    """The journal and the runs say what was done."""
    totals = rig.parts.read_statistics().totals
    said = dict.fromkeys(("replay", "discard"), 0)
    entries = rig.parts.journal.read()
    for entry in entries:
        if entry.what in said:
            said[entry.what] += entry.count
    if scene.script == "operate":
        done = {"replay": totals.replayed, "discard": totals.discarded}
        if said != done:
            raise BrokenPromise(f"the journal says {said}, done is {done}")
    for run in rig.parts.runs.recent():
        done_by_run = totals.replayed + totals.discarded - sum(said.values())
        if (run.done, run.looked, run.gone) != (done_by_run, done_by_run, 0):
            raise BrokenPromise(f"{done_by_run} done, and the run says {run}")
        begun = sum(entry.what.endswith(" all") for entry in entries)
        ended = sum(entry.what.endswith(("finished", "stopped", "more than confirmed")) for entry in entries)
        if (begun, ended) != (1, int(run.state != "running")):
            raise BrokenPromise(f"the journal has {begun} begun and {ended} ended, the run is {run.state}")


@pytest.mark.parametrize(("number", "scene"), list(enumerate(SCENES)), ids=[scene.name for scene in SCENES])
def test_whichever_write_fails(
    number: int, scene: Scene, valkey: RedisServer, redis6: RedisServer, crash_mock: MockPosting
) -> None:
    server = (valkey, redis6)[number % 2]
    # Every third write, once; `make test-crash`: all ways of all.
    play_all(scene, server, crash_mock, lambda _cells, _write: [], every=3)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_whichever_write_fails_in_every_way(scene: Scene, server: RedisServer, crash_mock: MockPosting) -> None:
    play_all(scene, server, crash_mock, lambda cells, _: cells)


def play_all(
    scene: Scene,
    server: RedisServer,
    mock: MockPosting,
    choose: Callable[[list[Cell], int], list[Cell]],
    every: int = 1,
) -> None:
    """The first write of the script and `every` so manyth after it once, and in the other ways that are chosen."""
    played, failures = 0, []
    for number in itertools.count(1, every):
        first = Cell(scene, number, "once", again=True)
        broken, wrong = play(server, mock, first)
        if not broken:
            break
        modes = ("once", "key", "field") if broken.startswith("HINCRBY") else ("once", "key")
        cells = [Cell(scene, number, mode, again) for mode, again in itertools.product(modes, (True, False))]
        results = {first: wrong}
        for cell in choose(cells, number):
            if cell != first:
                results[cell] = play(server, mock, cell, broken if cell.mode == "key" else "")[1]
        played += len(results)
        failures += [f"{cell} ({broken}): {wrong}" for cell, wrong in results.items() if wrong]
        if len(failures) >= ENOUGH:
            break
    print(f"{scene.name}: {played} cells, {len(failures)} break a promise")
    assert played
    assert not failures, "\n".join(failures)


WRITES_THE_RECORDS = "for _, it in ipairs(items) do redis.call('HSET', it.record, unpack(it.written)) end"
#: What is taken away, and the scene that shows it.
PROTECTIONS = {
    "counters that are lowered": ("redis.call('HINCRBY', raised[i], raised[i + 1], int(-raised[i + 2]))", "", "accept"),
    "the record as the last that is written": (
        "    raise_all(items)\n    write_harmless(items, at)",
        f"{WRITES_THE_RECORDS} raise_all(items) write_harmless(items, at)",
        "accept",
    ),
    "records of a batch that are taken back": (
        "redis.pcall('DEL', it.record, it.payload_key)",
        "",
        "batch, all or none",
    ),
    "callbacks that are taken back": (
        "to_undo[#to_undo + 1] = { 'DEL', callbacks .. ':' .. name }",
        "",
        "settle, rejected, somebody is told",
    ),
    "a lane that is known before its callbacks": (
        "redis.call('ZADD', callbacks, 'LT', int(now), lane)",
        "",
        "settle, completed, somebody is told",
    ),
    "changes in the feed that are taken back": (
        "for _, command in ipairs(to_undo) do redis.pcall(unpack(command)) end",
        "",
        "settle, rejected",
    ),
    "the list of what was accepted before the record": (
        "local function list_accepted(at, it)",
        "local function list_accepted(at, it) committed()",
        "accept",
    ),
    "the due index as the last that is left": (
        "local function put_away(at, record, id, status, code, failed_at, template)",
        "local function put_away(at, record, id, status, code, failed_at, template) redis.call('ZREM', at.due, id)",
        "settle, rejected",
    ),
}


@pytest.mark.parametrize("protection", PROTECTIONS)
def test_without_it_a_cell_breaks(
    protection: str, valkey: RedisServer, crash_mock: MockPosting, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new, name = PROTECTIONS[protection]
    texts = [(LUA / f"{script}.lua").read_text() for script in ("prelude", "accept")]
    assert sum(old in text for text in texts) == 1, "this takes nothing away"
    monkeypatch.setattr("tests.crash.half_written._text_of", lambda body: TEXT_OF(body).replace(old, new))
    [scene] = [scene for scene in SCENES if scene.name == name]
    with pytest.raises((AssertionError, BrokenPromise), match=r"write \d+ fails|stored whole|never"):
        play_all(scene, valkey, crash_mock, lambda cells, _: cells)


def test_a_submission_that_was_half_stored_is_completed_by_its_repeat(
    server: RedisServer, crash_mock: MockPosting
) -> None:
    crash_mock.reset()
    with Rig(server.url, f"{uuid.uuid4().hex[:8]}:", crash_mock) as rig:
        rig.accept("a")
        keys, client = rig.parts.keys, rig.parts.client
        client.delete(keys.payload("a"), keys.messages, keys.message_bodies)
        client.zrem(keys.due, "a")
        _, new = rig.parts.store.accept(submission("a"))
        assert not new
        rig.stored_whole("a")
        rig.run_to_quiet()
        rig.check()
