import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
import redis

from tests.parts import Parts, submission
from txn.model.outcome import Cause, Clear, Completed, Maybe, Retry, Settlement
from txn.model.transaction import Evidence
from txn.operate.limits import parse_rate
from txn.store import commands, flusher
from txn.store.commands import Command, Merged
from txn.store.database import ScriptCall
from txn.store.flusher import Flusher
from txn.store.group_commit import GroupCommit

WELL = Settlement(Completed(Evidence.POSTED), answered=True, taken=True, calls="gp")
AWAY = Settlement(Retry(Cause.UNCERTAIN, "503", Maybe(0), 0), answered=True, outage="503", calls="gPg")
NAMES = ("a", "b", "c", "d")


def claiming(parts: Parts, *names: str, owner: str = "owner") -> list[ScriptCall]:
    return [parts.store.claiming(name, owner) for name in names]


def settling(parts: Parts, settlement: Settlement, *names: str) -> list[ScriptCall]:
    return [parts.store.settling(name, "owner", settlement) for name in names]


def said(replies: Sequence[Any]) -> list[str]:
    """What is said of each: an error, or the first words of the reply."""
    return [
        "error"
        if isinstance(one, Exception)
        else " ".join(word.decode() for word in one[:2] if isinstance(word, bytes))
        for one in replies
    ]


def accept(parts: Parts, *names: str) -> None:
    for name in names:
        parts.accept(name)


def counters(parts: Parts) -> tuple[int, int, int]:
    totals = parts.read_statistics().totals
    return totals.pending, totals.processing, totals.completed


def test_what_is_done_to_many_is_what_is_done_to_each(parts: Parts) -> None:
    assert said(parts.together(*(parts.store.accepting(submission(name)) for name in NAMES)))[0].startswith("accepted")
    assert counters(parts) == (4, 0, 0)
    assert parts.queued() == list(NAMES)
    assert said(parts.together(*claiming(parts, *NAMES))) == ["claimed post"] * 4
    assert counters(parts) == (0, 4, 0)
    assert said(parts.together(*settling(parts, WELL, *NAMES))) == ["settled"] * 4
    assert counters(parts) == (0, 0, 4)
    assert {parts.status(name) for name in NAMES} == {"completed"}
    assert not parts.client.exists(parts.keys.due)


def test_the_error_of_one_id_is_its_own(parts: Parts) -> None:
    accept(parts, *NAMES)
    parts.client.set(parts.keys.record("b"), "a text")
    assert said(parts.together(*claiming(parts, *NAMES))) == ["claimed post", "error", "claimed post", "claimed post"]
    assert counters(parts) == (1, 3, 0)
    parts.client.hset(parts.keys.record("c"), "hung", 1)
    parts.client.set(parts.keys.hanging, "a text")
    settled = parts.together(*settling(parts, WELL, *NAMES))
    assert said(settled) == ["settled", "error", "error", "settled"]
    assert str(settled[1]).startswith("WRONGTYPE") or "WRONGTYPE" in str(settled[1])
    assert counters(parts) == (1, 1, 2)
    parts.client.delete(parts.keys.record("b"), parts.keys.hanging)


def test_an_id_that_comes_twice_is_claimed_once(parts: Parts) -> None:
    accept(parts, "a", "b")
    calls = [*claiming(parts, "a", "b", owner="one"), *claiming(parts, "a", owner="two")]
    assert said(parts.together(*calls)) == ["claimed post", "claimed post", "refused leased"]
    assert parts.record("a")["owner"] == "one"
    assert counters(parts) == (0, 2, 0)


def test_an_id_that_is_submitted_twice_is_stored_once(parts: Parts) -> None:
    calls = [parts.store.accepting(submission("a")) for _ in range(2)]
    assert [one.split()[0] for one in said(parts.together(*calls))] == ["accepted", "replayed"]
    assert counters(parts) == (1, 0, 0)
    assert parts.queued() == ["a"]


def test_the_repeat_of_a_claim_among_others_gives_the_same_answer(parts: Parts) -> None:
    accept(parts, *NAMES)
    first = parts.together(*claiming(parts, "a", "b"))
    again = parts.together(*claiming(parts, "a", "b", "c"))
    assert [one[1:-1] for one in again[:2]] == [one[1:-1] for one in first]
    assert said(again) == ["claimed post"] * 3


@pytest.mark.parametrize("is_new", [True, False])
def test_claims_of_one_call_take_no_more_places_than_there_are(parts: Parts, is_new: bool) -> None:
    accept(parts, *NAMES)
    parts.limits.set("ann", "why", in_flight=2, rate=None)
    if not is_new:
        parts.clock.forward(parts.settings.lease_ms)
    assert said(parts.together(*claiming(parts, *NAMES))) == ["claimed post"] * 2 + ["refused limited"] * 2


def test_claims_of_one_call_are_counted_together_under_a_limit_that_is_not_reached(parts: Parts) -> None:
    accept(parts, *NAMES)
    parts.limits.set("ann", "why", in_flight=99, rate=parse_rate("600000/min"))
    parts.clock.forward(parts.settings.lease_ms)
    parts.client.config_resetstat()
    assert said(parts.together(*claiming(parts, *NAMES))) == ["claimed post"] * 4
    stats: Any = parts.client.info("commandstats")
    assert stats["cmdstat_hincrby"]["calls"] <= 5, "each counter once, for all"


def test_claims_of_one_call_take_no_more_out_of_the_bucket_than_is_in_it(parts: Parts) -> None:
    accept(parts, *NAMES)
    parts.limits.set("ann", "why", in_flight=None, rate=parse_rate("60/min"))
    assert said(parts.together(*claiming(parts, *NAMES))) == ["claimed post"] + ["refused limited"] * 3


def test_claims_of_one_call_are_no_more_than_the_ramp_lets_in(parts: Parts) -> None:
    accept(parts, *NAMES)
    parts.client.hset(parts.keys.posting, mapping={"breaker": "half", "cap": 1})
    assert said(parts.together(*claiming(parts, *NAMES))) == ["claimed post"] + ["refused away"] * 3


def test_the_breaker_opens_in_the_middle_of_a_call_as_it_does_one_by_one(parts: Parts) -> None:
    names = [f"t{number}" for number in range(12)]
    accept(parts, *names)
    parts.together(*claiming(parts, *names))
    parts.together(*settling(parts, AWAY, *names[:9]))
    assert parts.client.hget(parts.keys.posting, "breaker") is None
    parts.together(*settling(parts, AWAY, *names[9:]))
    assert parts.client.hget(parts.keys.posting, "breaker") == b"open"


def test_what_was_sent_away_together_is_counted_as_one_by_one(parts: Parts) -> None:
    accept(parts, *NAMES)
    parts.together(*claiming(parts, *NAMES))
    sent_away = Settlement(Retry(Cause.SENT_AWAY, "429", Clear(), 0), answered=True, calls="gP")
    parts.together(*settling(parts, sent_away, *NAMES))
    assert [parts.record(name)["kept_out"] for name in NAMES] == ["1", "2", "3", "4"]


def test_what_is_learnt_of_the_posting_service_is_written_once(parts: Parts) -> None:
    accept(parts, *NAMES)
    parts.together(*claiming(parts, *NAMES))
    before = parts.client.info("commandstats").get("cmdstat_hset", {"calls": 0})["calls"]
    parts.together(*settling(parts, WELL, *NAMES))
    assert parts.client.info("commandstats")["cmdstat_hset"]["calls"] - before == len(NAMES) + 1


def test_calls_of_one_tick_are_one_call_to_redis(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []

    class Counting(GroupCommit):
        def exchange(self, packed: Sequence[bytes]) -> list[Any]:
            sent.append(len(packed))
            return super().exchange(packed)

    monkeypatch.setattr(flusher, "GroupCommit", Counting)
    accept(parts, *NAMES)
    parts.client.script_load(parts.database.scripts.texts()["claim"][1])

    async def main() -> list[Any]:
        one = Flusher(parts.database)
        try:
            return await asyncio.gather(*(one.run(call) for call in claiming(parts, *NAMES)))
        finally:
            one.close()

    assert said(asyncio.run(main())) == ["claimed post"] * 4
    assert sent == [1]


def test_no_call_is_for_more_ids_than_the_server_can_do_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "MOST_IDS", 2)
    many = [Command(("EVALSHA", "sha", 1, "key", number), (f"id{number}",)) for number in range(5)]
    packed = Merged(many).packed()
    assert [one.count(b"id") for one in packed] == [2, 2, 1]
    assert packed[0].startswith(b"*7\r\n")
    assert b"$1\r\n1\r\n" in packed[0], "the arguments are the latest call's"


def test_calls_with_other_keys_or_of_other_scripts_stay_apart() -> None:
    one, other = Command(("EVALSHA", "sha", 1, "p:a"), ("1",)), Command(("EVALSHA", "sha", 1, "q:a"), ("2",))
    third = Command(("EVALSHA", "another", 1, "p:a"), ("3",))
    alone = Command(("EVALSHA", "sha", 1, "p:a", "4"))
    merged = Merged([one, other, third, alone, one])
    assert len(merged.packed()) == 4
    error = redis.ResponseError("for all of them")
    assert merged.spread([["r1", "r5"], error, ["r3"], ["r4"]]) == ["r1", error, "r3", ["r4"], "r5"]


def test_what_cannot_be_packed_fails_before_it_is_among_others() -> None:
    for words, own in ((("EVALSHA", "sha", 0, "\ud800"), None), (("EVALSHA", "sha", 1, "key"), ("\ud800",))):
        with pytest.raises(UnicodeEncodeError):
            Command(words, own)


def test_at_maxmemory_a_repeat_is_answered_although_a_new_one_is_sent_with_it(parts: Parts) -> None:
    parts.accept("old")
    parts.client.config_set("maxmemory", 1)
    try:
        calls = [parts.store.accepting(submission(name)) for name in ("old", "new")]
        assert said(parts.together(*calls)) == ["replayed pending", "error"]
    finally:
        parts.client.config_set("maxmemory", 0)
    assert counters(parts) == (1, 0, 0)
    assert said(parts.together(*calls)) == ["replayed pending", f"accepted {parts.record('new')['submitted']}"]


def test_the_highest_number_of_claims_counts_that_one_of_them_has_seen(parts: Parts) -> None:
    accept(parts, "a", "b")
    fresh, stale = parts.new_store(), parts.new_store()
    fresh._claims_seen = 1_000
    assert said(parts.together(fresh.claiming("a", "1"), stale.claiming("b", "2"))) == ["claimed confirm"] * 2


def test_who_was_let_in_before_it_in_the_same_call_uses_no_attempt_up(parts: Parts) -> None:
    accept(parts, "a", "b")
    parts.together(*claiming(parts, "a", "b"))
    parts.together(*settling(parts, WELL, "a"), *settling(parts, AWAY, "b"))
    parts.clock.forward(1)
    assert parts.claimed("b").counted == 0
