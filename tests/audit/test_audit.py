import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.audit.rig import Rig, counted, ids
from tests.audit.web import StubPosting
from tests.parts import BODY, Parts
from txn.audit.report import LISTED, conclusion
from txn.audit.verdict import Verdict
from txn.model.content import dumps, loads
from txn.model.transaction import ErrorCode, Evidence
from txn.readers.records import CHUNK

NO_LIST = [404, 405, 501]


@pytest.mark.parametrize("server", ["valkey", "redis6"], indirect=True)
def test_one_missing_one_doubled_and_one_altered_are_found_and_nothing_else(rig: Rig) -> None:
    fine = {rig.once() for _ in range(20)}
    missing, doubled, altered = rig.accept(), rig.once(), rig.accept()
    rig.complete(missing)
    rig.write(doubled)
    rig.write(altered, amount="100.51")
    rig.complete(altered)
    report = rig.audit()
    assert counted(report) == {"once": len(fine), "missing": 1, "doubled": 1, "different": 1}
    assert {name: ids(report, name) for name in report.findings} == {
        "missing": {missing},
        "doubled": {doubled},
        "different": {altered},
    }
    assert (report.broken, report.exit_code) == (3, 1)


def test_a_system_in_order_passes(rig: Rig) -> None:
    name = rig.once()
    report = rig.audit()
    assert (counted(report), report.findings, report.exit_code) == ({"once": 1}, {}, 0)
    assert report.digest == hashlib.sha256(f"{name}\n".encode()).hexdigest()
    assert report.listed == 1


def test_an_empty_system_passes(rig: Rig) -> None:
    report = rig.audit()
    assert (report.accepted, report.listed, report.exit_code) == (0, 0, 0)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (b'"100.5"', {"amount": 100.5}),
        (b"100.50", {"amount": "100.500"}),
        (b"100", {"amount": "100.00"}),
    ],
)
def test_amounts_are_compared_as_values(rig: Rig, ours: bytes, theirs: dict[str, Any]) -> None:
    body = b'{"amount": ' + ours + b', "currency": "USD", "description": "Payment"}'
    name = rig.accept(body)
    rig.write(name, body, **theirs)
    rig.complete(name)
    assert counted(rig.audit()) == {"once": 1}


@pytest.mark.parametrize("metadata", ['{"order_id":"12345"}', ' { "order_id" : "12345" } '])
def test_metadata_may_come_back_as_text(rig: Rig, metadata: str) -> None:
    name = rig.accept()
    rig.write(name, metadata=metadata)
    rig.complete(name)
    assert counted(rig.audit()) == {"once": 1}


@pytest.mark.parametrize("amount", [b"0.01", b"99999999.99", b"12345678.90"])
def test_no_amount_passes_through_a_float(rig: Rig, stub: StubPosting, amount: bytes) -> None:
    body = b'{"amount": ' + amount + b', "currency": "USD", "description": "Payment"}'
    right, wrong = rig.accept(body), rig.accept(body)
    rig.complete(right)
    rig.complete(wrong)
    rows = [
        b'{"id": "%s", "amount": %s, "currency": "USD", "description": "Payment"}' % (name.encode(), text)
        for name, text in ((right, amount + b"000000000000"), (wrong, amount + b"0000000000001"))
    ]
    stub.answers["/transactions"] = lambda: (200, [b"[", b",".join(rows), b"]"])
    report = rig.audit(stub.url)
    assert (ids(report, "different"), counted(report)) == ({wrong}, {"once": 1, "different": 1})


def test_rows_of_others_are_counted_and_break_nothing(rig: Rig) -> None:
    rig.once()
    for name in ("theirs", "theirs", "also theirs"):
        rig.write(name)
    report = rig.audit()
    assert (report.unknown_ids, report.unknown_rows, report.listed) == (2, 3, 4)
    assert ids(report, "unknown") == {"theirs", "also theirs"}
    assert (counted(report), report.exit_code) == ({"once": 1}, 0)


@pytest.mark.parametrize("version", ["4", "5"])
@pytest.mark.parametrize("spell", [str.lower, str.upper])
def test_a_row_that_must_have_been_ours_is_unknown_to_us(rig: Rig, version: str, spell: Callable[[str], str]) -> None:
    kept, lost = rig.once(), spell(f"0b1c7a3e-7d0e-{version}b8e-9d3a-3f0a6c0b7e11")
    rig.write(lost)
    rig.write("theirs")
    report = rig.audit()
    assert (report.unknown_ids, report.unknown_to_us, ids(report, "unknown_to_us")) == (2, 1, {lost})
    assert (report.exit_code, report.counts[Verdict.ONCE]) == (1, 1)
    assert "1 in the list are unknown to us" in conclusion(report)
    assert kept not in ids(report, "unknown")
    shared = replace(report, shared=True)
    assert (shared.exit_code, conclusion(shared)) == (0, "Nothing is missing, doubled or different.")


@pytest.mark.parametrize(
    "name", ["0b1c7a3e-7d0e-1b8e-9d3a-3f0a6c0b7e11", "0b1c7a3e7d0e4b8e9d3a3f0a6c0b7e11", "order-1"]
)
def test_a_row_with_another_shape_may_be_anybodys(rig: Rig, name: str) -> None:
    rig.write(name)
    report = rig.audit()
    assert (report.unknown_ids, report.unknown_to_us, report.exit_code) == (1, 0, 0)


def test_a_row_without_a_usable_id_is_nobodys(rig: Rig, stub: StubPosting) -> None:
    stub.answers["/transactions"] = lambda: (200, [b'[{"id": 7, "amount": 1}, {"amount": 1}]'])
    report = rig.audit(stub.url)
    assert (ids(report, "unknown"), report.exit_code) == ({"(7)", "(None)"}, 0)


def test_what_is_in_flight_is_counted_apart_whether_it_is_there_or_not(rig: Rig) -> None:
    rig.accept()
    rig.parts.claimed(rig.accept())
    there = rig.accept()
    rig.write(there)
    report = rig.audit()
    assert (counted(report), report.findings, report.exit_code) == ({"in_flight": 3}, {}, 0)


def test_a_double_in_flight_is_a_double(rig: Rig) -> None:
    name = rig.accept()
    rig.write(name)
    rig.write(name)
    report = rig.audit()
    assert (ids(report, "doubled"), report.exit_code) == ({name}, 1)


def test_a_transaction_that_settles_while_the_list_is_read_is_not_missing(rig: Rig) -> None:
    before, after = rig.accept(), rig.accept()
    rig.gate.before("list", lambda: rig.post(before))
    rig.gate.before("join", lambda: rig.post(after))
    report = rig.audit()
    assert (counted(report), report.findings, report.exit_code) == ({"once": 2}, {}, 0)
    assert (report.asked, report.only_by_get) == (1, 1)


def test_a_transaction_that_settles_meanwhile_without_being_there_is_missing(rig: Rig) -> None:
    name = rig.accept()
    rig.gate.before("join", lambda: rig.complete(name))
    assert ids(rig.audit(), "missing") == {name}


def test_a_transaction_accepted_after_the_records_were_read_is_not_unknown(rig: Rig) -> None:
    rig.once()
    rig.gate.before("list", rig.once)
    report = rig.audit()
    assert (counted(report), report.unknown_ids) == ({"once": 2}, 0)


def test_a_replay_that_succeeds_meanwhile_is_not_reported(rig: Rig) -> None:
    name = rig.failed(ErrorCode.REJECTED)

    def replay() -> None:
        rig.parts.replay(name)
        rig.post(name)

    rig.gate.before("list", replay)
    assert counted(rig.audit()) == {"once": 1}


def test_records_cleaned_up_meanwhile_are_not_reported(rig: Rig) -> None:
    rig.complete(rig.accept())
    rig.accept()
    rig.gate.before("list", rig.parts.store.cleanup)
    report = rig.audit()
    assert (report.accepted, report.exit_code) == (0, 0)


def test_failed_and_discarded_ones_that_are_not_there_are_as_promised(rig: Rig) -> None:
    rig.failed(ErrorCode.REJECTED)
    rig.failed(ErrorCode.EXHAUSTED)
    gone = rig.failed(ErrorCode.REJECTED)
    rig.parts.discard(gone)
    report = rig.audit()
    assert (counted(report), report.exit_code) == ({"failed": 2, "discarded": 1}, 0)
    assert {name: [case.id for case in cases] for name, cases in report.findings.items()} == {"discarded": [gone]}


@pytest.mark.parametrize("code", [ErrorCode.REJECTED, ErrorCode.EXHAUSTED])
@pytest.mark.parametrize("discarded", [False, True])
def test_one_that_failed_as_never_posted_and_is_there_is_a_finding(rig: Rig, code: ErrorCode, discarded: bool) -> None:
    name = rig.failed(code)
    rig.write(name)
    if discarded:
        rig.parts.discard(name)
    report = rig.audit()
    assert (ids(report, "posted_though_failed"), report.exit_code) == ({name}, 1)


@pytest.mark.parametrize("code", [ErrorCode.CONFLICT, ErrorCode.UNDECIDED])
def test_one_that_a_person_must_decide_about_is_listed_apart(rig: Rig, code: ErrorCode) -> None:
    there, absent, decided = rig.failed(code), rig.failed(code), rig.failed(code)
    rig.write(there, amount=1)
    rig.write(decided, amount=1)
    rig.parts.discard(decided)
    report = rig.audit()
    assert (counted(report), report.exit_code) == ({"to_decide": 2, "discarded": 1}, 0)
    assert {(found.id, found.rows, found.differing) for found in report.findings["to_decide"]} == {
        (there, 1, 1),
        (absent, 0, 0),
    }


def test_evidence_is_counted(rig: Rig) -> None:
    for evidence in (Evidence.POSTED, Evidence.POSTED, Evidence.VERIFIED, Evidence.FOUND):
        name = rig.accept()
        rig.write(name)
        rig.complete(name, evidence)
    assert rig.audit().evidence == {"posted": 2, "verified": 1, "found": 1}


@pytest.mark.parametrize("status", NO_LIST)
def test_without_a_list_each_is_asked_about_and_doubles_cannot_be_seen(
    rig: Rig, stub: StubPosting, status: int
) -> None:
    fine, missing, altered, failed = rig.accept(), rig.accept(), rig.accept(), rig.accept()
    for name in (fine, missing, altered):
        rig.complete(name)
    rig.fail(failed, ErrorCode.EXHAUSTED)
    rig.accept()
    row = loads(b'{"amount": "100.5", "currency": "USD", "description": "Payment", "metadata": {"order_id": "12345"}}')
    stub.answers = {
        "/transactions": lambda: (status, [b"{}"]),
        f"/transactions/{fine}": lambda: (200, [dumps(row | {"id": fine})]),
        f"/transactions/{failed}": lambda: (200, [dumps(row | {"id": failed})]),
        f"/transactions/{altered}": lambda: (200, [dumps(row | {"id": altered, "currency": "EUR"})]),
    }
    report = rig.audit(stub.url)
    assert counted(report) == {"once": 1, "missing": 1, "different": 1, "posted_though_failed": 1, "in_flight": 1}
    assert (ids(report, "missing"), ids(report, "different")) == ({missing}, {altered})
    assert (report.listed, report.asked, report.only_by_get, report.whole) == (None, 4, 3, None)


@pytest.mark.parametrize("around", ['{"data":[%s]}', '{"status":"ok","result":{"rows":[%s],"total":4,"next":null}}'])
def test_a_list_in_an_object_is_read_as_one(rig: Rig, stub: StubPosting, around: str) -> None:
    once, doubled, altered = rig.done("once"), rig.done("doubled"), rig.done("altered")
    row = loads(BODY)
    rows = [row | {"id": name} for name in (once, doubled, doubled)] + [row | {"id": altered, "currency": "EUR"}]
    stub.answers["/transactions"] = lambda: (200, [(around % b",".join(map(dumps, rows)).decode()).encode()])
    report = rig.audit(stub.url)
    assert counted(report) == {"once": 1, "doubled": 1, "different": 1}
    assert (report.listed, report.asked, report.exit_code) == (4, 0, 1)


def test_what_turns_out_to_be_no_list_at_its_end_is_forgotten(rig: Rig, stub: StubPosting) -> None:
    name = rig.done("a")
    row = dumps(loads(BODY) | {"id": name})
    rows = b",".join([row, b'{"id":"stranger"}'] * CHUNK)  # more than are held before they are written down
    stub.answers["/transactions"] = lambda: (200, [b'{"new":[', rows, b'],"old":[]}'])
    stub.answers["/transactions/a"] = lambda: (200, [row])
    report = rig.audit(stub.url)
    assert (counted(report), report.listed, report.asked, report.exit_code) == ({"once": 1}, None, 1, 0)
    assert (report.unknown_ids, report.unknown_rows) == (0, 0)


def test_without_a_list_what_settles_meanwhile_stays_in_flight(rig: Rig, stub: StubPosting) -> None:
    fine, late = rig.accept(), rig.accept()
    rig.complete(fine)
    row = loads(b'{"amount": "100.5", "currency": "USD", "description": "Payment", "metadata": {"order_id": "12345"}}')
    stub.answers = {f"/transactions/{fine}": lambda: (200, [dumps(row | {"id": fine})])}
    rig.gate.before("ask", lambda: rig.complete(late))
    report = rig.audit(stub.url)
    assert (counted(report), report.exit_code) == ({"once": 1, "in_flight": 1}, 0)


def test_a_get_that_fails_is_repeated(rig: Rig) -> None:
    name = rig.accept()
    rig.complete(name)
    rig.gate.before("join", lambda: rig.write(name))
    rig.mock.script(name, get=["fail", "fail"])
    assert counted(rig.audit()) == {"once": 1}
    assert len(rig.pauses) == 2


def test_one_id_without_an_answer_leaves_the_audit_undecided(rig: Rig) -> None:
    silent, absent = rig.accept(), rig.accept()
    rig.complete(silent)
    rig.complete(absent)
    rig.gate.before("join", lambda: rig.write(absent))
    rig.mock.script(silent, get=["fail"] * 10)
    report = rig.audit()
    assert counted(report) == {"once": 1, "unanswered": 1}
    assert (ids(report, "unanswered"), report.exit_code) == ({silent}, 2)


def test_a_fingerprint_of_an_older_kind_is_not_a_difference(rig: Rig) -> None:
    same, altered = rig.once(), rig.accept()
    rig.write(altered, amount=1)
    rig.complete(altered)
    for name in (same, altered):
        rig.parts.client.hset(rig.parts.keys.record(name), "fingerprint", "00" * 16)
    report = rig.audit()
    assert (ids(report, "different"), counted(report)) == ({altered}, {"once": 1, "different": 1})


def test_all_findings_are_counted_and_the_first_thousand_listed(rig: Rig) -> None:
    names = []
    for number in range(LISTED + 5):
        names.append(f"n{number:05}")
        fingerprint = "00" * 16
        rig.parts.client.hset(
            rig.parts.keys.record(names[-1]), mapping={"status": "completed", "fingerprint": fingerprint}
        )
        rig.parts.client.set(rig.parts.keys.payload(names[-1]), b"{}")
    report = rig.audit()
    assert counted(report) == {"missing": LISTED + 5}
    assert [found.id for found in report.findings["missing"]] == names[:LISTED]


def test_other_keys_and_other_prefixes_are_left_out(rig: Rig, parts: Parts) -> None:
    rig.once()
    parts.client.hset(f"x{parts.keys.record('other')}", "status", "completed")
    parts.client.hset("{other}:t:other", "status", "completed")
    assert rig.audit().accepted == 1
