import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ops.redis_server import RedisServer
from tests.parts import Clock, Parts, no_other_clock, submission
from txn.model.outcome import Cause, Clear, Completed, Failed, Keep, Maybe, Released, Retry, Settlement
from txn.model.transaction import ErrorCode, Evidence
from txn.settings import Settings
from txn.store.database import ScriptCall

FAR_MS = 9_999_999_999_999
ENDS = (
    Settlement(Completed(Evidence.POSTED), answered=True, taken=True, calls="gp"),
    Settlement(Completed(Evidence.VERIFIED), answered=True, taken=True, calls="gpg", history='{"a":1}'),
    Settlement(Failed(ErrorCode.REJECTED, "no", Maybe(1_000)), answered=True, taken=True, calls="gpg"),
    Settlement(Retry(Cause.UNCERTAIN, "no answer", Maybe(0), 0), answered=True, outage="no answer", calls="gP!g"),
    Settlement(Retry(Cause.UNANSWERED, "no answer", Clear(), 0), outage="no answer", calls="G!"),
    Settlement(Retry(Cause.UNANSWERED, "no answer", Keep(), 0), outage="no answer", calls="G"),
    Settlement(Retry(Cause.SENT_AWAY, "403", Clear(), 0, others=True), answered=True, outage="403", calls="gP"),
    Settlement(
        Retry(Cause.SENT_AWAY, "429", Clear(), 0, others=False), answered=True, outage="429", calls="gP", hold_ms=2_000
    ),
    Settlement(Retry(Cause.OUTAGE, "refused", Clear(), 0), outage="refused", calls="G"),
    Settlement(Retry(Cause.NOT_WRITTEN, "503", Clear(), 0), answered=True, outage="503", calls="gPg"),
    Settlement(Retry(Cause.IN_DOUBT, "404", Keep(), 0), answered=True, calls="g"),
    Settlement(Released()),
)
AWAY = [one for one in ENDS if one.outage]
INDEXES = ("due", "outage", "probes", "hanging", "in_flight", "turned_back", "expiring")


@pytest.fixture
def two(
    server: RedisServer, settings: Settings, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Parts, Parts]]:
    no_other_clock(monkeypatch)  # all that is not moved on happens in one moment, for both
    clock, both = Clock(), []
    clock.forward(1_800_000_000_000)
    for name in ("together", "alone"):
        prefix = f"{name}-{request.node.callspec.id}-{random.SystemRandom().randrange(10**9)}:"
        chosen = settings.model_copy(update={"max_hanging": 2, "max_attempts": 100, "prefix": prefix})
        both.append(Parts(server.url, chosen, clock))
    yield both[0], both[1]
    for parts in both:
        parts.clear()


def state(parts: Parts, names: list[str]) -> dict[str, Any]:
    client: Any = parts.client
    counts = {name.decode(): int(count) for name, count in client.hgetall(parts.keys.count).items()}
    found: dict[str, Any] = {
        "counters": {name: count for name, count in counts.items() if count},
        "posting": client.hgetall(parts.keys.posting),
        "callbacks": client.zcard(parts.keys.callbacks),
        "claims": client.hget(parts.keys.epoch, "claims"),
        "feed": sorted(entry[b"change"].decode().split(" ")[:2] for _, entry in client.xrange(parts.keys.changes)),
    }
    for name in names:
        record = parts.record(name)
        found[name] = [record, [client.zscore(getattr(parts.keys, index), name) for index in INDEXES]]
    return found


def alone(parts: Parts, calls: list[ScriptCall]) -> list[Any]:
    return [parts.together(call)[0] for call in calls]


@pytest.mark.parametrize("seed", [*range(8), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(8, 25))])
def test_one_call_for_many_leaves_what_a_call_for_each_would(two: tuple[Parts, Parts], seed: int) -> None:
    play(two, random.Random(seed), 3, outages=False)


@pytest.mark.parametrize("seed", range(6))
def test_it_does_in_outages_and_when_they_are_over(two: tuple[Parts, Parts], seed: int) -> None:
    play(two, random.Random(seed), 12, outages=True)


def play(two: tuple[Parts, Parts], chance: random.Random, fewest: int, outages: bool) -> None:
    many, single = two
    names = [f"n{number}" for number in range(chance.choice([fewest, 8, 20]))]
    callback, is_limited = chance.choice(["", "https://x.example/"]), chance.random() < 0.3
    for parts in two:
        for number, name in enumerate(names):
            deliver_by = None if number % 3 else FAR_MS
            parts.store.accept(replace(submission(name), callback=callback, deliver_by_ms=deliver_by))
        if is_limited:
            parts.limits.set("ann", "why", in_flight=5)
    owners: dict[str, str] = {}
    for step in range(25):
        ends = AWAY if outages and step % 13 < 9 else ENDS[:2] if outages else ENDS
        many.clock.forward(chance.choice([10, 200, 3_000, 30_000]))
        some = [chance.choice(names) for _ in range(chance.randint(1, 12))]
        if chance.random() < 0.55:
            claims = [(name, f"o{step}-{number}") for number, name in enumerate(some)]
            if owners and chance.random() < 0.3:  # a repeat
                claims.append(chance.choice(list(owners.items())))
            replies = many.together(*(many.store.claiming(*claim) for claim in claims))
            assert [one[:2] for one in replies] == [
                one[:2] for one in alone(single, [single.store.claiming(*claim) for claim in claims])
            ]
            owners |= {name: owner for (name, owner), one in zip(claims, replies, strict=True) if one[0] == b"claimed"}
        else:
            held = chance.sample(list(owners), min(len(owners), 10)) or some
            settles = [(name, owners.get(name, "nobody"), chance.choice(ends)) for name in held]
            if chance.random() < 0.3:
                settles.append(settles[0])
            replies = many.together(*(many.store.settling(*one) for one in settles))
            assert replies == alone(single, [single.store.settling(*one) for one in settles])
        assert state(many, names) == state(single, names), step
