import math
import secrets
import uuid
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ops.redis_server import RedisServer
from tests.partitions.parts import AllParts
from tests.parts import OwnTime, Parts, no_other_clock, submission
from txn.errors import ContentConflict
from txn.model.claim import Claim
from txn.model.outcome import (
    Cause,
    Clear,
    Completed,
    Failed,
    Keep,
    Maybe,
    Mode,
    Outcome,
    Released,
    Retry,
    Settlement,
)
from txn.model.transaction import ErrorCode, Evidence
from txn.operate.limits import parse_rate
from txn.settings import Settings

IDS = ("a", "b", "c")
#: From each status, where design allows it to go.
MOVES = {
    None: {None, "pending"},
    "pending": {"pending", "processing"},
    "processing": {"processing", "pending", "completed", "failed"},
    "completed": {"completed"},
    "failed": {"failed", "pending"},
}
SETTINGS = Settings(posting_timeout_ms=500, margin_ms=100, lease_ms=2_000, doubt_window_ms=3_000, max_attempts=3)

DOUBTS = st.sampled_from([Clear(), Keep(), Maybe(3_000)])
#: What a delivery says of the posting service; any of it goes with any outcome.
CALLS = st.sampled_from(["gp", "g", "G", "gPg", "G!", ""])
OUTCOMES: st.SearchStrategy[Outcome] = st.one_of(
    st.builds(Completed, st.sampled_from(Evidence)),
    st.builds(Failed, st.sampled_from(ErrorCode), st.just("why"), st.sampled_from([Clear(), Keep()])),
    st.builds(Retry, st.sampled_from(Cause), st.just("why"), DOUBTS, st.sampled_from([0, 100, 5_000])),
    st.just(Released()),
)


def posted_nothing(outcome: Outcome) -> bool:
    """Whether it says so."""
    return isinstance(outcome, Released) or (isinstance(outcome, Retry) and outcome.doubt == Clear())


class StoreMachine(RuleBasedStateMachine):
    """Random interleavings of all verbs, by any number of workers, on a clock of the test's own."""

    server: RedisServer
    kind: type[Parts] = Parts

    def __init__(self) -> None:
        super().__init__()
        self.clock = OwnTime(1_000_000_000)
        prefix = f"{{{uuid.uuid4().hex[:8]}}}:"
        self.parts = self.kind(self.server.url, SETTINGS.model_copy(update={"prefix": prefix}), self.clock)
        self.claims: list[Claim] = []
        self.last: dict[str, str | None] = dict.fromkeys(IDS)
        self.final: dict[str, dict[str, str]] = {}
        self.consumers = [self.parts.messages(name) for name in ("one", "two")]
        #: id -> when the last POST that a claim allowed can no longer turn up, as far as the store was told.
        self.doubt_until: dict[str, int] = {}
        #: id -> how many claims may have posted it.
        self.sent = Counter[str]()

    def teardown(self) -> None:
        self.drive_to_the_end()
        self.parts.clear()
        self.parts.client.close()

    @initialize()
    def begin(self) -> None:
        self.accept_one("a", 1_000)

    @rule(name=st.sampled_from(IDS), expires_ms=st.sampled_from([None, None, 1_000, 10_000]))
    def accept(self, name: str, expires_ms: int | None) -> None:
        self.accept_one(name, expires_ms)

    @rule(name=st.sampled_from(IDS))
    def its_worker_dies(self, name: str) -> None:
        if self.claim(name) is not None:
            self.every_move_is_allowed()
            self.clock.forward(SETTINGS.lease_ms)
            self.claim(name)

    def accept_one(self, name: str, expires_ms: int | None) -> None:
        deliver_by = None if expires_ms is None else self.now() + expires_ms
        self.parts.store.accept(replace(submission(name), deliver_by_ms=deliver_by))

    @rule(name=st.sampled_from(IDS))
    def accept_other_content(self, name: str) -> None:
        if self.last[name] is not None:
            other = submission(name, b'{"amount": 2, "currency": "USD", "description": "other"}')
            with pytest.raises(ContentConflict):
                self.parts.store.accept(other)

    @rule(name=st.sampled_from(IDS), outcome=OUTCOMES, calls=CALLS)
    def deliver(self, name: str, outcome: Outcome, calls: str) -> None:
        if (claim := self.claim(name)) is not None:
            self.every_move_is_allowed()
            self.settle_claim(claim, outcome, calls)

    @rule(name=st.sampled_from(IDS), twice=st.booleans(), after_ms=st.sampled_from([0, 0, 2_000, 5_000]))
    def wake_up(self, name: str, twice: bool, after_ms: int) -> None:
        self.clock.forward(after_ms)
        self.claim(name, twice=twice)

    def claim(self, name: str, *, twice: bool = False) -> Claim | None:
        before, now, held = self.parts.record(name), self.now(), self.may_be_held(name)
        owner = secrets.token_urlsafe(6)
        claim = self.parts.store.claim(name, owner)
        if twice:
            again = self.parts.store.claim(name, owner)
            assert claim == (again and claim and again._replace(left_ms=claim.left_ms))
        if claim is None:
            assert before.get("status") != "pending" or int(before.get("next", 0)) > now - 50 or held
            return None
        assert not self.is_paused(), "claimed while deliveries are paused"
        self.is_within_the_limit()
        if claim.mode is Mode.EXPIRED or claim.is_late:
            later = self.now()
            assert int(before["deliver_by"]) <= later
            assert claim.mode is Mode.CONFIRM or self.doubt_until.get(name, 0) <= later, "expired while in doubt"
        elif claim.mode is Mode.POST:
            assert float(before.get("deliver_by") or math.inf) > now, "may post although it has expired"
        assert before["status"] == "pending" or int(before["lease"]) <= self.now()
        if claim.mode is Mode.POST:
            assert self.doubt_until.get(name, 0) <= self.now(), "may post while an earlier POST may turn up"
            self.doubt_until[name] = int(self.parts.record(name)["doubt"])
            self.sent[name] += 1
        else:
            assert self.parts.record(name).get("doubt") == before.get("doubt")
        self.claims.append(claim)
        return claim

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), outcome=OUTCOMES, calls=CALLS, hold_ms=st.sampled_from([0, 0, 1_000, 300_000]))
    def settle(self, data: st.DataObject, outcome: Outcome, calls: str, hold_ms: int) -> None:
        """By the owner, or late, or again."""
        self.settle_claim(data.draw(st.sampled_from(self.claims)), outcome, calls, hold_ms)

    def settle_claim(self, claim: Claim, outcome: Outcome, calls: str, hold_ms: int = 0) -> None:
        before = self.parts.record(claim.id)
        mine = before["status"] == "processing" and before["owner"] == claim.owner
        reply = self.parts.store.settle(
            claim.id, claim.owner, Settlement(outcome, answered=True, calls=calls, hold_ms=hold_ms)
        )
        assert (reply == "settled") == mine
        after = self.parts.record(claim.id)
        if not mine:
            # But for one thing: a worker that was taken for crashed, and is late, is alive.
            assert after | {"crashes": ""} == before | {"crashes": ""}
            return
        self.sent[claim.id] -= claim.mode is Mode.POST and posted_nothing(outcome)
        if claim.mode is not Mode.POST and not isinstance(outcome, Completed):
            assert after.get("doubt") == before.get("doubt")
        elif isinstance(outcome, Completed):
            self.doubt_until.pop(claim.id, None)
        else:
            self.doubt_until[claim.id] = int(after.get("doubt", 0))

    @rule(limit=st.sampled_from([1, 10]))
    def rescue(self, limit: int) -> None:
        before = {name: self.parts.record(name) for name in IDS}
        held = self.parts.members(lambda keys: keys.outage) + self.parts.members(lambda keys: keys.turned_back)
        self.parts.store.due(limit)
        for name in IDS:
            after = self.parts.record(name)
            if after.get("code") == "expired" and before[name]["status"] == "pending":
                self.check_expired(name, before[name])
                continue
            for field in ("status", "owner", "doubt", "lease"):
                assert after.get(field) == before[name].get(field)
            if name.encode() not in held:
                assert after.get("next") == before[name].get("next")

    def check_expired(self, name: str, before: dict[str, str]) -> None:
        """It was failed without a claim."""
        assert int(before["deliver_by"]) <= self.now(), "failed before it has expired"
        assert not self.sent[name], "expired blindly"
        self.last[name] = "failed"

    @rule()
    def the_posting_service_was_away_for_others(self) -> None:
        """The next failure opens the breaker."""
        for keys in self.parts.all_keys:
            self.parts.client.hset(keys.posting, mapping={"gets": "abcdef" * 9, "posts": "abcdef" * 9})

    @rule(for_ms=st.sampled_from([None, 2_000]))
    def pause(self, for_ms: int | None) -> None:
        self.parts.pauses.pause("ann", "why", None if for_ms is None else self.now() + for_ms)

    @rule()
    def resume(self) -> None:
        self.parts.pauses.resume("ann")

    @rule(in_flight=st.sampled_from([1, 2]))
    def limit(self, in_flight: int) -> None:
        self.clock.forward(2_000)  # the places that are kept for messages were given away under the limit before
        self.parts.limits.set("ann", in_flight=in_flight * len(self.parts.all_keys))
        for name in IDS:  # more than it allows
            self.claim(name)

    @rule(text=st.sampled_from(["600/min", "60/min"]))
    def limit_the_rate(self, text: str) -> None:
        self.parts.limits.set("ann", rate=parse_rate(text))

    @rule()
    def limit_nothing(self) -> None:
        self.parts.limits.remove("ann")

    def is_within_the_limit(self) -> None:
        """After a claim: those whose leases run, whenever they were claimed."""
        for keys in self.parts.all_keys:
            most: Any = self.parts.client.hget(keys.posting, "most")
            if not most:
                continue
            records = [self.parts.record(name) for name in IDS if self.parts.keys_of(name) == keys]
            now = self.now()
            in_flight = [one for one in records if one.get("status") == "processing" and int(one["lease"]) > now]
            assert len(in_flight) <= int(most), "more in flight than the limit allows"

    def is_paused(self) -> bool:
        return self.parts.read_statistics().flow.paused is not None

    def may_be_held(self, name: str) -> bool:
        flow = self.parts.read_statistics().flow
        hung = self.parts.record(name).get("hung") == "1"
        slowed = flow.paused is not None or flow.limits is not None or flow.hold_ms is not None
        return flow.breaker != "closed" or slowed or hung

    @rule(name=st.sampled_from(IDS))
    def replay(self, name: str) -> None:
        before = self.parts.record(name)
        verdict = self.parts.replay(name)
        assert (verdict == "done") == (before.get("status") == "failed")
        after = self.parts.record(name)
        assert (after.get("doubt"), after.get("owner")) == (before.get("doubt"), before.get("owner"))

    @rule(name=st.sampled_from(IDS))
    def discard(self, name: str) -> None:
        before = self.parts.record(name)
        verdict = self.parts.discard(name)
        assert (verdict == "done") == (before.get("status") == "failed" and "discarded" not in before)

    @rule(ms=st.sampled_from([1, 500, 2_000, 3_000, 20_000]))
    def time_passes(self, ms: int) -> None:
        self.clock.forward(ms)

    @rule(consumer=st.sampled_from([0, 1]), acknowledge=st.booleans())
    def fetch(self, consumer: int, acknowledge: bool) -> None:
        fetched = self.consumers[consumer].fetch(2)
        if acknowledge:
            self.consumers[consumer].fetch(0, [name for name, _ in fetched])

    @rule(consumer=st.sampled_from([0, 1]), reconcile=st.booleans())
    def consumer_lives(self, consumer: int, reconcile: bool) -> None:
        self.consumers[consumer].heartbeat()
        if reconcile:
            self.consumers[consumer].requeue_all_but(())

    @rule(everything=st.booleans())
    def the_broker_loses_keys(self, everything: bool) -> None:
        for keys in self.parts.all_keys:
            self.parts.client.delete(keys.messages, *([keys.message_bodies] if everything else []))

    @invariant()
    def the_due_index_holds_exactly_the_unfinished(self) -> None:
        unfinished = {name for name in IDS if self.parts.record(name).get("status") in ("pending", "processing")}
        assert {name.decode() for name in self.parts.members(lambda keys: keys.due)} == unfinished

    @invariant()
    def counters_equal_the_states(self) -> None:
        records = [record for name in IDS if (record := self.parts.record(name))]
        states = Counter(record["status"] for record in records)
        totals = self.parts.read_statistics().totals
        dead = sum(record["status"] == "failed" and "discarded" not in record for record in records)
        expected = {
            "accepted": len(records),
            "pending": states["pending"],
            "processing": states["processing"],
            "completed": states["completed"],
            "dead": dead,
            "in_doubt": sum(record.get("uncertain") == "1" for record in records),
            "retrying": sum(record.get("failing") == "1" for record in records),
        }
        assert {name: getattr(totals, name) for name in expected} == expected

    @invariant()
    def dead_letters_are_the_same_everywhere(self) -> None:
        members, expected = self.parts.members, {}
        for name in IDS:
            record = self.parts.record(name)
            if record.get("status") == "failed" and "discarded" not in record:
                expected[name.encode()] = record["code"]
        for names in (members(lambda keys: keys.failed), members(lambda keys: keys.dead_messages)):
            assert set(names) == set(expected)
        bodies: Any = [self.parts.client.hkeys(keys.dead_message_bodies) for keys in self.parts.all_keys]
        assert {name for names in bodies for name in names} == set(expected)
        by_code = {name: code for code in ErrorCode for name in members(lambda keys, code=code: keys.failed_with(code))}
        assert by_code == expected

    @invariant()
    def every_move_is_allowed(self) -> None:
        for name in IDS:
            record = self.parts.record(name)
            status = record.get("status")
            assert status in MOVES[self.last[name]], f"{name}: {self.last[name]} -> {status}"
            self.last[name] = status
            if status == "completed":
                assert self.final.setdefault(name, record) == record

    def now(self) -> int:
        return self.parts.read_statistics().now_ms

    def deliver_well(self, claim: Claim) -> None:
        if claim.mode is Mode.EXPIRED:
            self.parts.settle(claim, Failed(ErrorCode.EXPIRED, "why", Keep()))
            return
        mode = claim.mode is Mode.POST
        end, calls = (Evidence.POSTED, "gp") if mode else (Evidence.FOUND, "g")
        self.parts.settle(claim, Completed(end), answered=True, taken=mode, calls=calls)

    def drive_to_the_end(self) -> None:
        """Whatever has happened: with time, every unfinished transaction gets a message, a claim, and an end.

        The limits stay as they are.
        """
        self.parts.pauses.resume("ann")
        for _ in range(60):
            if not self.parts.read_statistics().unfinished:
                return
            self.clock.forward(SETTINGS.patience_ms)
            self.consumers[0].heartbeat()
            self.parts.store.due(10)
            for message, _body in self.consumers[0].fetch(10):
                claim = self.parts.claim(message.split("~")[0])
                if claim is not None:
                    self.is_within_the_limit()
                    self.deliver_well(claim)
                self.consumers[0].fetch(0, [message])
        raise AssertionError(f"never ends: {[self.parts.record(name) for name in IDS]}")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", [Parts, AllParts], ids=["undivided", "partitions"])
@pytest.mark.parametrize("runs", [20, pytest.param(80, marks=pytest.mark.long)])
def test_no_interleaving_breaks_an_invariant(
    valkey: RedisServer, kind: type[Parts], runs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_other_clock(monkeypatch)
    StoreMachine.server = valkey
    monkeypatch.setattr(StoreMachine, "kind", kind)
    quick = settings(
        max_examples=runs,
        stateful_step_count=40,
        deadline=None,
        derandomize=True,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(StoreMachine, settings=quick)
