import json
from typing import Any

import pytest

from tests.parts import Parts, submission
from txn.errors import Invalid
from txn.model.dead_letter import Filter
from txn.model.outcome import Failed, Keep, Mode
from txn.model.transaction import ErrorCode
from txn.operate.operations import MAX_IDS, MAX_WHY
from txn.readers import dead_letters
from txn.readers.dead_letters import Count, Page
from txn.store.integrity import Integrity

EUROS = (
    b'{"amount": 2.50, "currency": "EUR", "description": "\\"currency\\":\\"USD\\"", "metadata": {"currency": "USD"}}'
)


def failed_ms(parts: Parts, name: str) -> int:
    return int(parts.record(name)["completed"])


def some(parts: Parts, count: int, **how: Any) -> list[str]:
    """So many letters, one a second."""
    names = []
    for number in range(count):
        names.append(parts.fail(f"{how.get('code', ErrorCode.REJECTED)}-{number}", **how))
        parts.clock.forward(1_000)
    return names


def ids(parts: Parts, **wanted: Any) -> list[str]:
    return [letter.id for letter in parts.letters.page(Filter(**wanted)).letters]


def test_a_letter_says_what_a_person_needs(parts: Parts) -> None:
    line = json.dumps({"attempt": 1, "mode": "post", "outcome": "rejected", "http": 422, "ms": 7})
    parts.fail("a", detail="POST: answered 422", body=EUROS, history=line)
    [letter] = parts.letters.page(Filter()).letters
    assert (letter.id, letter.code, letter.detail, letter.attempts) == ("a", "rejected", "POST: answered 422", 1)
    assert (letter.last_answer, letter.amount, letter.currency) == (422, "2.50", "EUR")
    assert letter.failed_ms == failed_ms(parts, "a")


def test_filters_by_code_time_currency_and_text_hold_together(parts: Parts) -> None:
    a, b, c = some(parts, 3, detail="POST: answered 400")
    d = parts.fail("d", ErrorCode.CONFLICT, "Other Content")
    e = parts.fail("e", body=EUROS, detail="POST: answered 422")
    assert ids(parts)[-3:] == [c, b, a]
    assert set(ids(parts, code="rejected")) == {a, b, c, e}
    assert ids(parts, since_ms=failed_ms(parts, b), until_ms=failed_ms(parts, c)) == [c, b]
    assert ids(parts, currency="EUR") == [e]
    assert set(ids(parts, currency="USD")) == {a, b, c, d}
    assert ids(parts, text="other c") == [d]
    assert ids(parts, text="answered 400", until_ms=failed_ms(parts, a), code="rejected", currency="USD") == [a]
    assert ids(parts, code="conflict", currency="EUR") == []
    assert parts.letters.totals() == {
        "rejected": 4,
        "conflict": 1,
        "exhausted": 0,
        "undecided": 0,
        "crashed_worker": 0,
        "expired": 0,
    }


@pytest.mark.parametrize("text", ["", "no"])
def test_pages_follow_each_other_without_a_gap_or_a_repeat(parts: Parts, text: str) -> None:
    names = some(parts, 7)
    seen: list[str] = []
    before, pages = None, 0
    while True:
        page = parts.letters.page(Filter(text=text), before, limit=2)
        seen, pages = seen + [letter.id for letter in page.letters], pages + 1
        if page.next_ms is None:
            break
        before = page.next_ms
    assert (seen, pages) == (names[::-1], 4)


def same_time(parts: Parts, names: list[str]) -> None:
    for index in (parts.keys.failed, f"{parts.keys.failed}:rejected"):
        parts.client.zadd(index, dict.fromkeys(names, 1_700_000_000_000))


def test_letters_of_one_millisecond_are_never_torn_apart(parts: Parts) -> None:
    names = some(parts, 5)
    same_time(parts, names[:3])
    page = parts.letters.page(Filter(), limit=3)
    assert {letter.id for letter in page.letters} == set(names)
    assert parts.letters.page(Filter(), page.next_ms) == Page([], None, 0)
    chunk = parts.letters.chunk(Filter(), 0, 2**53, 2)
    assert (set(chunk.ids), chunk.looked, chunk.last) == (set(names[:3]), 3, False)
    rest = parts.letters.chunk(Filter(), chunk.cursor_ms, 2**53, 5)
    assert (rest.ids, rest.last) == (names[3:], True)


@pytest.mark.parametrize("text", ["", "no"])
def test_chunks_walk_from_the_oldest_to_the_end_of_the_run(parts: Parts, text: str) -> None:
    names = some(parts, 5)
    before = failed_ms(parts, names[3])
    seen, cursor, last = [], failed_ms(parts, names[0]), False
    while not last:
        chunk = parts.letters.chunk(Filter(text=text), cursor, before, 2)
        seen, cursor, last = seen + chunk.ids, chunk.cursor_ms, chunk.last
    assert seen == names[1:4]


def test_a_count_is_exact_from_an_index_and_says_when_it_is_not(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "SLICE", 2)
    monkeypatch.setattr(dead_letters, "MAX_LOOKED_AT", 4)
    some(parts, 3)
    some(parts, 3, code=ErrorCode.CONFLICT, detail="other content")
    assert parts.letters.count(Filter(code="rejected")) == Count(3, 3, 3)
    found = parts.letters.count(Filter(text="content"))
    assert (found, found.exact) == (Count(3, 4, 6), False)
    assert parts.letters.count(Filter(text="content", code="conflict")) == Count(3, 3, 3)


def test_what_is_asked_about_is_counted_to_the_end_a_slice_at_a_time(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "SLICE", 2)
    monkeypatch.setattr(dead_letters, "MAX_LOOKED_AT", 2)
    some(parts, 5)
    some(parts, 2, code=ErrorCode.CONFLICT, detail="other content")
    wanted = Filter(text="content")
    found = [parts.letters.begin(wanted)]
    while not found[-1].exact:
        found.append(parts.letters.counted(wanted, found[-1], lambda: True))
    assert [(one.looked, one.matching) for one in found] == [(0, 0), (2, 0), (4, 0), (6, 1), (7, 2)]
    assert {one.total for one in found} == {7}
    assert found[-1].share == 1.0
    parts.fail("later", detail="content")
    assert parts.letters.counted(wanted, found[0], lambda: False).matching == 2
    assert parts.counted(wanted).count == 3


def test_a_page_looks_at_a_bounded_number_of_letters_and_goes_on_from_there(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "SLICE", 2)
    monkeypatch.setattr(dead_letters, "MAX_LOOKED_AT", 4)
    parts.fail("needle", detail="the needle")
    parts.clock.forward(1_000)
    some(parts, 5)
    page = parts.letters.page(Filter(text="needle"))
    assert (page.letters, page.looked) == ([], 4)
    page = parts.letters.page(Filter(text="needle"), page.next_ms)
    assert ([letter.id for letter in page.letters], page.next_ms) == (["needle"], None)


def test_content_that_cannot_be_read_is_shown_as_empty(parts: Parts) -> None:
    parts.fail("a")
    parts.client.set(parts.keys.payload("a"), b"\xff")
    [letter] = parts.letters.page(Filter()).letters
    assert (letter.amount, letter.currency) == ("", "")
    assert ids(parts, currency="USD") == []


def test_an_operators_deed_is_in_the_history_and_in_the_journal(parts: Parts) -> None:
    names = [parts.fail(), parts.fail()]
    waiting = parts.accept()
    done = parts.operations.replay([*names, waiting, "nobody", names[0]], "ada", "it is\nback")
    assert (done.done, done.not_failed, done.unknown) == (names, [waiting], ["nobody"])
    assert '{"by":"ada","what":"replay","why":"it is back"}' in parts.record(names[0])["history"]
    [entry] = parts.journal.read()
    assert (entry.by, entry.what, entry.why, entry.count, entry.ids) == ("ada", "replay", "it is back", 2, names)
    assert abs(entry.at_ms - parts.read_statistics().now_ms) < 60_000
    assert [parts.status(name) for name in names] == ["pending", "pending"]


def test_a_deed_that_changed_nothing_is_not_in_the_journal(parts: Parts) -> None:
    parts.operations.replay([parts.accept()], "ada")
    assert parts.journal.read() == []


def test_a_discard_needs_a_reason_and_is_told_in_the_timeline(parts: Parts) -> None:
    name = parts.fail()
    with pytest.raises(Invalid, match="give a reason"):
        parts.operations.discard([name], "ada", "  ")
    parts.operations.discard([name], "ada", "a test")
    assert parts.status(name) == "failed"
    assert ids(parts) == []
    assert json.loads(parts.record(name)["discarded"]) == {"by": "ada", "what": "discard", "why": "a test"}
    assert '"what":"discard"' in parts.record(name)["history"]
    assert parts.operations.discard([name], "vic", "again").not_failed == [name]


def test_a_discarded_one_can_still_be_replayed(parts: Parts) -> None:
    name = parts.fail()
    parts.operations.discard([name], "ada", "a mistake")
    assert parts.operations.replay([name], "ada").done == [name]
    assert parts.status(name) == "pending"
    assert parts.read_statistics().totals.dead == 0


@pytest.mark.parametrize("count", [0, MAX_IDS + 1])
def test_too_many_at_once_or_none_are_refused(parts: Parts, count: int) -> None:
    with pytest.raises(Invalid, match="select 1 to"):
        parts.operations.replay([f"id{number}" for number in range(count)], "ada")


@pytest.mark.parametrize("why", ["x" * (MAX_WHY + 1), " " * (MAX_WHY + 1), "x" + " " * MAX_WHY])
def test_a_reason_that_is_too_long_is_refused_whatever_it_is_made_of(parts: Parts, why: str) -> None:
    with pytest.raises(Invalid, match="too long"):
        parts.operations.replay(["a"], "ada", why)
    with pytest.raises(Invalid, match="too long"):
        parts.pauses.pause("ada", why)
    with pytest.raises(Invalid, match="too long"):
        parts.limits.remove("ada", why)


def test_a_deed_is_one_line_in_the_log_and_never_a_payload(parts: Parts, caplog: pytest.LogCaptureFixture) -> None:
    parts.fail("a", body=EUROS, detail="secret")
    with caplog.at_level("INFO", "txn.journal"):
        parts.operations.replay(["a"], "ada", "back\nagain")
    [line] = [record.getMessage() for record in caplog.records if record.name == "txn.journal"]
    assert line == "ada: replay 1, why 'back again': a"


def test_the_journal_is_read_in_pages_newest_first(parts: Parts) -> None:
    names = [parts.fail() for _ in range(5)]
    for name in names:
        parts.operations.replay([name], "ada")
    first = parts.journal.read(limit=3)
    rest = parts.journal.read(first[-1].at, limit=3)
    assert [entry.ids for entry in [*first, *rest]] == [[name] for name in names[::-1]]


def test_the_journal_is_capped(parts: Parts) -> None:
    with parts.client.pipeline() as pipeline:
        for _ in range(10_300):
            pipeline.xadd(parts.keys.journal, {"by": "x"})
        pipeline.execute()
    parts.operations.replay([parts.fail()], "ada")
    assert parts.client.xlen(parts.keys.journal) <= 10_100


def test_replay_of_a_doubtful_one_only_looks_until_the_doubt_is_over(parts: Parts) -> None:
    parts.store.accept(submission("a"))
    parts.settle(parts.claimed("a"), Failed(ErrorCode.CONFLICT, "other", Keep()))
    parts.operations.replay(["a"], "ada")
    assert parts.claimed("a").mode is Mode.CONFIRM


def test_what_an_older_version_discarded_is_listed_after_a_round_of_the_sweep(parts: Parts) -> None:
    names = [parts.fail() for _ in range(3)]
    parts.operations.discard(names, "ada", "a test")
    parts.client.delete(parts.keys.discarded)
    assert ids(parts, discarded=True) == []
    assert Integrity(parts.database, "@ID@").look_at_all() == []
    assert set(ids(parts, discarded=True)) == set(names)
    [letter] = parts.letters.page(Filter(discarded=True), limit=1).letters[:1]
    assert letter.discarded is not None
    assert (letter.discarded.by, letter.discarded.why) == ("ada", "a test")


def test_one_that_was_discarded_and_replayed_is_in_neither_list(parts: Parts) -> None:
    name = parts.fail()
    parts.discard(name)
    assert (ids(parts), ids(parts, discarded=True)) == ([], [name])
    assert parts.letters.discarded() == 1
    parts.replay(name)
    assert (ids(parts), ids(parts, discarded=True)) == ([], [])
