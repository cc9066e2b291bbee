import pytest

from tests.callbacks.receiver import Receiver, status
from tests.callbacks.rig import Sending, at, ended
from tests.parts import Parts
from txn.errors import Invalid, NotFound
from txn.operate.callbacks import CallbackLetters, to_json
from txn.settings import Settings
from txn.store.callbacks import Room

DAY_MS = 86_400_000


@pytest.fixture
def letters(parts: Parts) -> CallbackLetters:
    return CallbackLetters(parts.database, parts.database)


def given_up(parts: Parts, *names: str) -> list[str]:
    """Callbacks of these transactions, the newest first."""
    found = []
    for name in names:
        ended(parts, name)
        [callback] = Sending(parts, parts.settings).callbacks.take("me", Room(1, 1, 1, 1, {}), 1_000, DAY_MS)
        Sending(parts, parts.settings).callbacks.sent(
            callback.name, "me", "gone", wait_ms=0, why="answered with 410", give_up_ms=0
        )
        found.insert(0, callback.name)
        parts.clock.forward(5)
    return found


def test_those_that_were_given_up_are_listed_with_why_the_newest_first(parts: Parts, letters: CallbackLetters) -> None:
    names = given_up(parts, "a", "b")
    ended(parts, "waits")
    page = letters.page()
    assert [one.name for one in page.callbacks] == names
    shown = to_json(page.callbacks[0])
    assert (shown["transaction"], shown["type"], shown["why"]) == ("b", "transaction.completed", "answered with 410")
    assert letters.waiting() == {"client ": 1}


def test_pages_hold_each_once_also_those_of_one_millisecond(parts: Parts, letters: CallbackLetters) -> None:
    names = given_up(parts, *"abcdefg")
    parts.client.zadd(parts.keys.callbacks_dead, dict.fromkeys(names[:5], 1_000))
    seen, before = [], ""
    while True:
        page = letters.page(before, 2)
        seen += [one.name for one in page.callbacks]
        if page.next is None:
            break
        before = page.next
    assert sorted(seen) == sorted(names)


@pytest.mark.parametrize("before", ["x", "1", "1-2", f"-1-{'a' * 40}", f"1-{'a' * 41}"])
def test_a_place_that_is_none_is_refused(letters: CallbackLetters, before: str) -> None:
    with pytest.raises(Invalid):
        letters.page(before)


def test_a_replayed_one_is_sent_again_for_another_day(
    parts: Parts, letters: CallbackLetters, settings: Settings
) -> None:
    with Receiver(status(410), status(500), status(204)) as receiver:
        sending = Sending(parts, at(settings, receiver.url))
        ended(parts, "a")
        sending.round()
        parts.clock.forward(30 * DAY_MS)
        [name] = [one.name for one in letters.page().callbacks]
        assert letters.replay([name, name], "ann", "well again").done == [name]
        assert sending.totals()[:2] == (1, 0)
        assert letters.page().callbacks == []
        sending.round()
        parts.clock.forward(10_000)
        sending.round()
        assert [one.headers["webhook-id"] for one in receiver.received] == [name] * 3
        assert sending.totals() == (0, 0, 1, 2)


def test_a_discarded_one_is_gone(parts: Parts, letters: CallbackLetters) -> None:
    [name] = given_up(parts, "a")
    assert letters.discard([name], "ann", "they are gone").done == [name]
    assert letters.page().callbacks == []
    assert parts.client.exists(parts.keys.callback(name)) == 0
    assert parts.status("a") == "completed"
    with pytest.raises(NotFound):
        letters.read(name)


def test_done_twice_it_is_done_once(parts: Parts, letters: CallbackLetters) -> None:
    first, second = given_up(parts, "a", "b")
    letters.replay([first], "ann")
    letters.discard([second], "ann", "why")
    assert letters.replay([first, second, "nobody"], "ann").not_dead == [first]
    assert letters.discard([first, second], "ann", "why").unknown == [second]
    assert (parts.read_statistics().totals.callbacks_waiting, parts.read_statistics().totals.callbacks_dead) == (1, 0)


def test_one_that_waits_is_left_alone(parts: Parts, letters: CallbackLetters) -> None:
    ended(parts, "a")
    [(name, _)] = parts.client.zrange(parts.keys.callbacks_to("client "), 0, 0, withscores=True)
    assert letters.discard([name.decode()], "ann", "why").not_dead == [name.decode()]
    assert letters.read(name.decode()).died_ms is None


def test_the_journal_says_of_which_transactions(parts: Parts, letters: CallbackLetters) -> None:
    names = given_up(parts, "a", "b")
    letters.discard(names, "ann", "they are gone")
    letters.discard(names, "ann", "again")
    [entry] = parts.journal.read()
    assert (entry.by, entry.what, entry.count, entry.ids) == ("ann", "discard callbacks", 2, ["b", "a"])


def test_to_discard_needs_a_reason_and_not_too_many(letters: CallbackLetters) -> None:
    for names, why in ((["a"], " "), ([], "why"), ([str(number) for number in range(201)], "why")):
        with pytest.raises(Invalid):
            letters.discard(names, "ann", why)


def test_one_that_cannot_be_read_is_named_and_can_be_discarded(parts: Parts, letters: CallbackLetters) -> None:
    first, second = given_up(parts, "a", "b")
    parts.client.hset(parts.keys.callback(first), "status", "new")
    page = letters.page()
    assert ([one.name for one in page.callbacks], page.unreadable) == ([second], [first])
    assert letters.discard([first], "ann", "unknown").done == [first]
