from tests.audit.rig import Rig, counted, ids
from tests.audit.web import StubPosting
from txn.audit.report import notes


def test_a_record_whose_status_is_unknown_is_named_and_left_alone(rig: Rig) -> None:
    fine, there, absent, doubled = rig.once(), rig.once(), rig.accept(), rig.once()
    rig.write(doubled)
    for name in (there, absent, doubled):
        rig.parts.client.hset(rig.parts.keys.record(name), "status", "expired")
    rig.parts.client.set(rig.parts.keys.payload(there), b"of another form")
    report = rig.audit()
    assert counted(report) == {"once": 1, "unreadable": 2, "doubled": 1}
    assert (ids(report, "unreadable"), report.exit_code) == ({there, absent}, 1)
    assert fine not in ids(report, "unreadable")
    assert any("does not know" in note for note in notes(report))


def test_a_record_whose_status_is_unknown_changes_no_exit_code(rig: Rig) -> None:
    name = rig.once()
    rig.parts.client.hset(rig.parts.keys.record(name), mapping={"status": "expired", "fingerprint": "00" * 16})
    rig.parts.client.set(rig.parts.keys.payload(name), b"of another form")
    report = rig.audit()
    assert (counted(report), report.exit_code) == ({"unreadable": 1}, 0)
    assert [finding.status for finding in report.findings["unreadable"]] == ["expired"]


def test_without_a_list_it_is_not_asked_about(rig: Rig, stub: StubPosting) -> None:
    name = rig.accept()
    rig.parts.client.hset(rig.parts.keys.record(name), "status", "expired")
    report = rig.audit(stub.url)
    assert (counted(report), report.asked, report.exit_code) == ({"unreadable": 1}, 0, 0)


def test_one_that_a_newer_worker_completes_meanwhile_is_read_again(rig: Rig) -> None:
    name = rig.once()
    record = rig.parts.keys.record(name)
    rig.parts.client.hset(record, "status", "expired")
    rig.gate.before("list", lambda: rig.parts.client.hset(record, "status", "completed"))
    assert counted(rig.audit()) == {"once": 1}
