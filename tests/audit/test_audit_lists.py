"""What a list can leave out, and what else can stand in it."""

import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

import pytest

from tests.audit.rig import Rig, counted, ids
from tests.audit.web import StubPosting
from tests.parts import BODY
from txn.audit.audit import LAG_S
from txn.audit.report import conclusion, notes
from txn.model.content import dumps, loads
from txn.model.transaction import ErrorCode

CONTENT: Mapping[str, Any] = loads(BODY)


def row(name: str, **changes: Any) -> bytes:
    return dumps({**CONTENT, "id": name, "timestamp": "t"} | changes)


def whole(rows: Iterable[bytes]) -> list[bytes]:
    return [b"[" + b",".join(rows) + b"]"]


class Service:
    """Holds some rows: a GET finds each; the list, when it is read, holds those that the test says."""

    def __init__(self, stub: StubPosting, names: Iterable[str]) -> None:
        self.url = stub.url
        self.rows = {name: row(name) for name in names}
        self.lists: list[Callable[[], list[bytes]]] = []
        self.read = 0
        stub.answers["/transactions"] = self._list
        stub.default = self._get

    def gives(self, *lists: Iterable[bytes]) -> Self:
        """One after the other; the last again and again."""
        self.lists = [lambda rows=list(rows): whole(rows) for rows in lists]
        return self

    def _list(self) -> tuple[int, list[bytes]]:
        self.read += 1
        return 200, self.lists[min(self.read, len(self.lists)) - 1]()

    def _get(self, path: str) -> tuple[int, list[bytes]]:
        found = self.rows.get(path.rpartition("/")[2])
        return (404, [b'{"detail": "not found"}']) if found is None else (200, [found])


def names(count: int) -> list[str]:
    return [f"n{number:03}" for number in range(count)]


def test_a_list_that_is_only_its_first_page_proves_nothing(rig: Rig, stub: StubPosting) -> None:
    all_of_them = [rig.done(name) for name in names(109)]
    service = Service(stub, all_of_them).gives(map(row, all_of_them[:93]))
    report = rig.audit(service.url)
    assert (report.exit_code, report.left_out, report.only_by_get, report.whole) == (2, 16, 16, False)
    assert counted(report) == {"once": 109}
    assert conclusion(report).startswith("The list is incomplete: 16 of 109 were completed before it was read")
    assert (service.read, rig.lags) == (2, [LAG_S])


def test_a_double_that_a_cut_list_hides_does_not_pass(rig: Rig, stub: StubPosting) -> None:
    all_of_them = [rig.done(name) for name in names(5)]
    service = Service(stub, all_of_them).gives(
        map(row, reversed(all_of_them[2:]))
    )  # the newest first; the oldest is there twice, on page 2
    assert rig.audit(service.url).exit_code == 2


def test_a_list_that_lags_for_a_moment_is_read_again(rig: Rig, stub: StubPosting) -> None:
    all_of_them = [rig.done(name) for name in names(5)]
    service = Service(stub, all_of_them).gives(map(row, all_of_them[:4]), map(row, all_of_them))
    report = rig.audit(service.url)
    assert (report.exit_code, report.left_out, report.only_by_get, report.listed) == (0, 0, 0, 5)
    assert (counted(report), report.unknown_ids) == ({"once": 5}, 0)
    assert conclusion(report) == "Nothing is missing, doubled or different."


def test_what_the_second_reading_shows_counts(rig: Rig, stub: StubPosting) -> None:
    a, b, c, d = [rig.done(name) for name in names(4)]
    service = Service(stub, (a, b, c, d)).gives(
        [row(a), row(a), row(b)], [row(a), row(b), row(c), row(c), row(d, amount=1)]
    )
    report = rig.audit(service.url)
    assert (ids(report, "doubled"), ids(report, "different"), report.exit_code) == ({a, c}, {d}, 1)


def test_what_is_accepted_between_the_readings_is_not_unknown(rig: Rig, stub: StubPosting) -> None:
    rig.done("old")
    service = Service(stub, ["old", "new"]).gives([], [row("old"), row("new")])
    rig.gate.before("ask", lambda: rig.done("new"))
    report = rig.audit(service.url)
    assert (counted(report), report.unknown_ids, report.exit_code) == ({"once": 2}, 0, 0)


def test_what_settled_after_the_records_were_read_is_not_held_against_the_list(rig: Rig, stub: StubPosting) -> None:
    rig.done("a")
    late = rig.accept()
    service = Service(stub, ["a", late]).gives([row("a")])
    rig.gate.before("join", lambda: rig.complete(late))
    report = rig.audit(service.url)
    assert (report.exit_code, report.left_out, report.only_by_get, service.read) == (0, 0, 1, 1)
    assert conclusion(report) == "Nothing is missing or different, and nothing in the list is doubled."
    assert "a second row could not be seen" in notes(report)[0]


def test_of_an_incomplete_list_what_is_broken_is_said_first(rig: Rig, stub: StubPosting) -> None:
    for name in ("there", "missing", "left-out"):
        rig.done(name)
    service = Service(stub, ["there", "left-out"]).gives([row("there")])
    report = rig.audit(service.url)
    assert (report.exit_code, ids(report, "missing"), report.left_out) == (1, {"missing"}, 1)
    assert "not as promised" in conclusion(report)
    assert "incomplete" in notes(report)[0]


def test_what_failed_and_stands_in_the_part_that_is_left_out_is_asked_about(rig: Rig, stub: StubPosting) -> None:
    rig.done("a")
    there, absent = rig.failed(ErrorCode.REJECTED), rig.failed(ErrorCode.EXHAUSTED)
    service = Service(stub, ["a", there]).gives([])
    report = rig.audit(service.url)
    assert (ids(report, "posted_though_failed"), counted(report)["failed"], report.exit_code) == ({there}, 1, 1)
    assert absent not in ids(report, "posted_though_failed")


def test_the_only_one_that_is_asked_about_without_an_answer_is_named(rig: Rig, stub: StubPosting) -> None:
    rig.done("a")
    rig.done("silent")
    service = Service(stub, []).gives([row("a")])
    stub.default = lambda _path: (502, [b"<html>"])
    report = rig.audit(service.url)
    assert (counted(report), ids(report, "unanswered")) == ({"once": 1, "unanswered": 1}, {"silent"})
    assert report.exit_code == 2


# --- ids


UUID = str(uuid.UUID(int=0xABCDEF))


@pytest.mark.parametrize(("ours", "theirs"), [(UUID, UUID.upper()), (UUID.upper(), UUID), (UUID.upper(), UUID.title())])
def test_a_uuid_may_come_back_in_another_case(rig: Rig, stub: StubPosting, ours: str, theirs: str) -> None:
    rig.done(ours)
    service = Service(stub, []).gives([row(theirs)])
    report = rig.audit(service.url)
    assert (counted(report), report.unknown_ids, report.exit_code, report.asked) == ({"once": 1}, 0, 0, 0)


def test_a_double_in_another_case_is_a_double(rig: Rig, stub: StubPosting) -> None:
    rig.done(UUID)
    service = Service(stub, []).gives([row(UUID), row(UUID.upper())])
    assert ids(rig.audit(service.url), "doubled") == {UUID}


def test_two_of_our_ids_that_differ_in_case_have_a_row_each(rig: Rig, stub: StubPosting) -> None:
    rig.done(UUID)
    rig.done(UUID.upper())
    service = Service(stub, []).gives([row(UUID), row(UUID.upper())])
    assert counted(rig.audit(service.url)) == {"once": 2}


def test_a_uuid_that_was_accepted_meanwhile_is_ours_in_any_case(rig: Rig, stub: StubPosting) -> None:
    service = Service(stub, []).gives([row(UUID.upper())])
    rig.gate.before("list", lambda: rig.done(UUID))
    report = rig.audit(service.url)
    assert (counted(report), report.unknown_ids) == ({"once": 1}, 0)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("ORDER-77", "order-77"),
        ("order-77", "ORDER-77"),
        (UUID, UUID.replace("-", "")),
        (UUID, f"{{{UUID}}}"),
        (UUID, f"urn:uuid:{UUID}"),
        (UUID, f" {UUID}"),
        ("a", "a\0"),
        ("7", "\N{FULLWIDTH DIGIT SEVEN}"),
    ],
)
def test_a_row_with_another_id_is_not_ours(rig: Rig, stub: StubPosting, ours: str, theirs: str) -> None:
    rig.done(ours)
    service = Service(stub, []).gives([row(theirs)])
    report = rig.audit(service.url)
    assert (ids(report, "missing"), report.unknown_ids, report.exit_code) == ({ours}, 1, 1)


OTHERS = [7, None, True, [], {"id": "a"}, 1.5, "x" * 1_000_000, "\ud800"]


@pytest.mark.parametrize("other", OTHERS, ids=lambda value: repr(value)[:20])
def test_an_id_that_cannot_be_ours_is_shown_shortly(rig: Rig, stub: StubPosting, other: Any) -> None:
    service = Service(stub, [])
    text = b'"\\ud800"' if other == "\ud800" else dumps(other)
    service.gives([b'{"id": ' + text + b"}"])
    report = rig.audit(service.url)
    [name] = ids(report, "unknown")
    assert name.startswith("(")
    assert len(name) < 150
    assert report.exit_code == 0


# --- contents


ODD = [
    b"1" * 5_000,
    b"9" * 1_000_000,
    b"1e99999999999999999999",
    b"-1e99999999999999999999",
    b"1e-99999999999999999999",
    b"NaN",
    b"Infinity",
    b"1e9999999",
    b'"1e9999999"',
    b'"NaN"',
    b'"' + b"1" * 5_000 + b'"',
]


@pytest.mark.parametrize("odd", ODD, ids=lambda value: repr(value)[:25])
@pytest.mark.parametrize("place", [b'"amount"', b'"metadata"', b'"else"'])
def test_no_number_in_a_row_ends_the_audit(rig: Rig, stub: StubPosting, odd: bytes, place: bytes) -> None:
    a, b = rig.done("a"), rig.done("b")
    service = Service(stub, [])
    written = b"{" + b'"x": [%s]' % odd + b"}" if place == b'"metadata"' else odd
    foreign = b'{"id": "theirs", %s: %s}' % (place, written)
    service.gives([row(a), foreign, row(b)[:-1] + b", %s: %s}" % (place, written)])
    report = rig.audit(service.url)
    ours_differs = place != b'"else"'
    assert ids(report, "different") == ({b} if ours_differs else set())
    assert (report.exit_code, report.unknown_ids, report.listed) == (int(ours_differs), 1, 3)
