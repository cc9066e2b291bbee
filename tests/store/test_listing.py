import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tried
from hypothesis import strategies as st

from ops.redis_server import RedisServer
from tests.parts import BODY, Clock, Parts, submission
from txn.errors import Invalid, StoreUnavailable
from txn.model.outcome import Completed
from txn.model.transaction import Evidence, Status
from txn.settings import Settings
from txn.store import listing as listing_module
from txn.store.listing import Listing, Page, Place, Wanted

MINUTE_MS, DAY_MS = 60_000, 86_400_000


@pytest.fixture
def listing(parts: Parts) -> Listing:
    parts.begin_a_minute()
    return Listing(parts.database)


def pages(listing: Listing, wanted: Wanted, limit: int, client: str | None = None) -> Iterator[Page]:
    cursor = None
    while True:
        page = listing.read(wanted, limit, cursor, client)
        assert len(page.transactions) <= limit
        yield page
        cursor = page.cursor
        if cursor is None:
            return


def ids(listing: Listing, wanted: Wanted = Wanted(), limit: int = 3, client: str | None = None) -> list[str]:  # noqa: B008
    return [one.id for page in pages(listing, wanted, limit, client) for one in page.transactions]


def accept(parts: Parts, name: str, client: str = "", body: bytes = BODY) -> str:
    transaction, _ = parts.store.accept(replace(submission(name, body), client=client))
    return transaction.id


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_all_are_listed_the_newest_first_over_minutes_hours_and_years(
    parts: Parts, listing: Listing, limit: int
) -> None:
    accepted = []
    for number, pause_ms in enumerate((0, 1, 1, MINUTE_MS, 1, 61 * MINUTE_MS, 400 * DAY_MS, 1)):
        parts.clock.forward(pause_ms)
        accepted.append(accept(parts, f"a{number}"))
    assert ids(listing, limit=limit) == accepted[::-1]


def test_each_is_as_it_is_when_asked_alone(parts: Parts, listing: Listing) -> None:
    parts.fail("a")
    parts.settle(parts.claimed(parts.accept("b")), Completed(Evidence.POSTED))
    parts.accept("c")
    page = listing.read(Wanted(), 10)
    assert page == Page([parts.store.read(name) for name in "cba"], [], None)


def test_nothing_is_listed_of_nothing(listing: Listing) -> None:
    assert listing.read(Wanted(), 10) == Page([], [], None)
    assert listing.read(Wanted(until_ms=-1), 10, client="shop") == Page([], [], None)


def test_a_batch_is_listed_in_its_order_and_what_is_repeated_once(parts: Parts, listing: Listing) -> None:
    for atomic in (False, True):
        many = [submission(f"{name}{atomic}") for name in ("a", "b", "c", "b")]
        for _ in range(2):
            parts.store.accept_batch(many, atomic=atomic)
            accept(parts, "aFalse")
    assert ids(listing) == ["cTrue", "bTrue", "aTrue", "cFalse", "bFalse", "aFalse"]


def test_a_refused_batch_is_not_listed(parts: Parts, listing: Listing) -> None:
    accept(parts, "known")
    other = submission("known", BODY.replace(b"100.50", b"7"))
    parts.store.accept_batch([submission("a"), other], atomic=True)
    assert ids(listing) == ["known"]


def test_a_client_sees_its_own_and_who_sees_all_sees_all(parts: Parts, listing: Listing) -> None:
    for minute in range(3):
        for client in ("", "shop", "rival"):
            accept(parts, f"{minute}{client}", client)
        parts.clock.forward(MINUTE_MS)
    assert ids(listing, client="shop", limit=1) == ["2shop", "1shop", "0shop"]
    assert ids(listing, client="") == ["2", "1", "0"]
    assert ids(listing, client="nobody") == []
    assert ids(listing, limit=2) == [f"{minute}{client}" for minute in (2, 1, 0) for client in ("shop", "rival", "")]


def test_times_are_compared_to_the_millisecond(parts: Parts, listing: Listing) -> None:
    parts.begin_a_minute()
    times = []
    for number in range(6):
        accept(parts, f"a{number}")
        times.append(parts.store.read(f"a{number}").submitted_ms)
        parts.clock.forward(20_000)
    assert ids(listing, Wanted(since_ms=times[1], until_ms=times[4])) == ["a3", "a2", "a1"]
    assert ids(listing, Wanted(since_ms=times[1] + 1, until_ms=times[4] + 1)) == ["a4", "a3", "a2"]
    assert ids(listing, Wanted(since_ms=times[4], until_ms=times[4])) == []
    assert ids(listing, Wanted(since_ms=times[5] + 1)) == ids(listing, Wanted(until_ms=times[0])) == []
    assert ids(listing, Wanted(since_ms=-5 * DAY_MS)) == [f"a{number}" for number in range(5, -1, -1)]


def test_states_error_codes_and_currencies_are_found(parts: Parts, listing: Listing) -> None:
    parts.fail("bad")
    accept(parts, "cancelled")
    parts.store.cancel("cancelled", "shop")
    accept(parts, "yen", body=BODY.replace(b"100.50", b"7").replace(b"USD", b"JPY"))
    parts.claimed(accept(parts, "taken"))
    assert ids(listing, Wanted(status=Status.FAILED), limit=1) == ["cancelled", "bad"]
    assert ids(listing, Wanted(code="rejected")) == ["bad"]
    assert ids(listing, Wanted(status=Status.PENDING, code="rejected")) == []
    assert ids(listing, Wanted(status=Status.PROCESSING)) == ["taken"]
    assert ids(listing, Wanted(currency="JPY"), limit=1) == ["yen"]
    assert ids(listing, Wanted(currency="USD", status=Status.FAILED), limit=1) == ["cancelled", "bad"]
    parts.client.delete(parts.keys.payload("yen"))
    assert ids(listing, Wanted(currency="JPY")) == []


def test_one_call_looks_at_a_bounded_number_and_the_cursor_goes_on(
    parts: Parts, listing: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing_module, "IDS", 4)
    monkeypatch.setattr(listing_module, "AT_ONCE", 2)
    parts.fail("bad")
    for number in range(9):
        accept(parts, f"a{number}")
    found = list(pages(listing, Wanted(status=Status.FAILED), 5))
    assert [[one.id for one in page.transactions] for page in found] == [[], [], ["bad"]]


def test_minutes_without_any_cost_a_bounded_number_of_looks(
    parts: Parts, listing: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing_module, "LISTS", 7)
    monkeypatch.setattr(listing_module, "CALLS", 2)
    accept(parts, "a")
    parts.clock.forward(59 * MINUTE_MS)
    accept(parts, "b", "shop")
    found = list(pages(listing, Wanted(), 5))
    assert [one.id for page in found for one in page.transactions] == ["b", "a"]
    assert len(found) > 3


def test_what_was_listed_and_never_stored_is_left_out(parts: Parts, listing: Listing) -> None:
    accept(parts, "a")
    [key] = parts.client.keys(f"{parts.keys.accepted}*")
    parts.client.rpush(key, "never")
    parts.clock.forward(MINUTE_MS)
    accept(parts, "never")
    accept(parts, "rivals", "rival")
    parts.client.rpush(key, "rivals")
    assert ids(listing) == ["rivals", "never", "a"]


def test_a_record_that_cannot_be_read_is_named(parts: Parts, listing: Listing) -> None:
    for name in ("newer", "torn", "b"):
        accept(parts, name)
    parts.client.hset(parts.keys.record("newer"), "status", "archived")
    parts.client.delete(parts.keys.record("torn"))
    parts.client.set(parts.keys.record("torn"), "x")
    assert listing.read(Wanted(), 10) == Page([parts.store.read("b")], ["torn", "newer"], None)


def test_after_a_cleanup_nothing_is_listed(parts: Parts, listing: Listing) -> None:
    accept(parts, "a")
    accept(parts, "b", "shop")
    parts.store.cleanup()
    assert parts.client.keys(f"{parts.keys.accepted}*") == parts.client.keys(f"{parts.keys.accepted_hours}*") == []
    accept(parts, "c")
    assert ids(listing) == ["c"]


def test_a_cursor_that_is_none_or_of_another_question_is_refused(parts: Parts, listing: Listing) -> None:
    for number in range(3):
        accept(parts, f"a{number}", "shop")
    cursor = listing.read(Wanted(), 1, client="shop").cursor
    assert cursor is not None
    assert listing.read(Wanted(), 2, cursor, "shop").cursor is not None
    swapped = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")
    for wrong in ("", "x", "\N{SNOWMAN}", swapped, cursor + "=", cursor + "\n", cursor[1:], "A" * 10_000):
        with pytest.raises(Invalid, match="cursor"):
            listing.read(Wanted(), 1, wrong, "shop")
    for wanted, client in ((Wanted(code="rejected"), "shop"), (Wanted(), "rival"), (Wanted(), None)):
        with pytest.raises(Invalid, match="same parameters"):
            listing.read(wanted, 1, cursor, client)


def test_a_list_of_another_type_refuses_the_submit_and_stores_nothing(parts: Parts, listing: Listing) -> None:
    accept(parts, "a")
    [key] = parts.client.keys(f"{parts.keys.accepted}*")
    parts.client.delete(key)
    parts.client.set(key, "x")
    with pytest.raises(StoreUnavailable):
        accept(parts, "b")
    parts.client.delete(key)
    assert parts.record("b") == {}
    accept(parts, "b")
    assert ids(listing) == ["b"]


_DEEDS = st.lists(
    st.sampled_from(
        ["accept", "accept", "batch", "atomic", "again", "fail", "claim", "minute", "hour", "page", "page"]
    ),
    max_size=40,
)


@tried(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deeds=_DEEDS, limit=st.integers(1, 4), client=st.sampled_from([None, "", "shop"]), first=st.integers(0, 8))
def test_whatever_happens_while_somebody_reads_each_that_was_there_before_is_seen_once(
    server: RedisServer, deeds: list[str], limit: int, client: str | None, first: int
) -> None:
    with Parts(server.url, Settings(prefix=f"{uuid.uuid4().hex}:"), Clock()) as parts:
        read_while(parts, ["accept", "minute"] * first, deeds, limit, client)
        parts.store.cleanup()


def read_while(parts: Parts, before: list[str], deeds: list[str], limit: int, client: str | None) -> None:
    listing, accepted = Listing(parts.database), dict[str, str]()
    seen, cursor, is_over = Counter[str](), None, False
    for deed in before:
        _do(parts, deed, accepted)
    there = {name for name, of in accepted.items() if client in (None, of)}
    for deed in [*deeds, *["page"] * 100]:
        if deed != "page":
            _do(parts, deed, accepted)
        elif not is_over:
            page = listing.read(Wanted(), limit, cursor, client)
            seen.update(one.id for one in page.transactions)
            cursor, is_over = page.cursor, page.cursor is None
    assert is_over
    assert set(seen.values()) <= {1}
    assert there <= set(seen) <= {name for name, of in accepted.items() if client in (None, of)}
    assert set(ids(listing, client=client)) == {name for name, of in accepted.items() if client in (None, of)}


def _do(parts: Parts, deed: str, accepted: dict[str, str]) -> None:
    name = f"a{len(accepted)}"
    client = ("", "shop", "rival")[len(accepted) % 3]
    if deed == "accept":
        accept(parts, name, client)
        accepted[name] = client
    elif deed in ("batch", "atomic"):
        names = [f"{name}b", *list(accepted)[:1], f"{name}c"]
        many = [replace(submission(one), client=client) for one in names]
        replies = parts.store.accept_batch(many, atomic=deed == "atomic")
        accepted |= {
            one: client for one, reply in zip(names, replies, strict=True) if isinstance(reply, tuple) and reply[1]
        }
    elif deed == "again" and accepted:
        accept(parts, *next(iter(accepted.items())))
    elif deed in ("fail", "claim"):
        if waiting := [one for one in accepted if parts.status(one) == "pending"]:
            parts.claimed(waiting[0])
    elif deed in ("minute", "hour"):
        parts.clock.forward(MINUTE_MS * (60 if deed == "hour" else 1))


@pytest.mark.parametrize("minute", [10**400, -(10**400), 10**30, -1])
def test_a_minute_that_no_cursor_has_is_refused(listing: Listing, minute: int) -> None:
    made_up = listing_module._written(Place(minute, "c", None), Wanted(), "c")
    with pytest.raises(Invalid, match="must be a cursor that this list has given"):
        listing.read(Wanted(), 3, made_up, "c")


@pytest.mark.parametrize("index", [10**400, 10**20, -1])
def test_an_index_that_no_cursor_has_is_refused(parts: Parts, listing: Listing, index: int) -> None:
    parts.accept("a")
    minute = parts.read_statistics().now_ms // MINUTE_MS
    made_up = listing_module._written(Place(minute, "", index), Wanted(), "")
    with pytest.raises(Invalid, match="must be a cursor that this list has given"):
        listing.read(Wanted(), 3, made_up, "")
