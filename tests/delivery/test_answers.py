import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cli.doctor_rig import posting
from tests.delivery.odd_service import NOT_FOUND, OddService, Said
from tests.delivery.rig import Rig
from txn.model.transaction import Status
from txn.posting.transport import Transport

Build = Callable[..., Rig]

REJECTED = [400, 402, 410, 411, 413, 414, 415, 417, 422, 431]
SET_UP = [301, 302, 307, 308, 401, 403, 404, 405, 407, 421, 501, 511]
PAGE: Said = (200, {"Content-Type": "text/html"}, b"<html>Request Rejected</html>")


@pytest.fixture
def service() -> OddService:
    return OddService()


@pytest.fixture
def transport(transport: Transport, service: OddService) -> Iterator[Transport]:
    with posting(service) as url:
        found: Transport = type(transport)(url)  # type: ignore[call-arg]
        yield found
        found.close()


def record(one: Rig, name: str) -> dict[str, Any]:
    return one.parts.record(name)


@pytest.mark.parametrize("final", [False, True])
@pytest.mark.parametrize(
    "said",
    [
        PAGE,
        (201, {}, b'{"status": "DECLINED", "id": null}'),
        (200, {}, b'{"success": false}'),
        (200, {}, b"null"),
        (201, {}, b""),
        (201, {}, b'{"id": "another"}'),
        (200, {"Content-Encoding": "gzip"}, gzip.compress(b'{"id": 1}', mtime=0)),
    ],
    ids=str,
)
def test_an_answer_that_proves_no_write_completes_nothing_and_is_posted_again_after_the_doubt(
    rig: Build, service: OddService, said: Said, final: bool
) -> None:
    one = rig(answer_is_final=final)
    name = one.accept()
    service.posts = [(False, said)]
    assert one.deliver(name).status is Status.PENDING
    assert one.outcomes(name) == ["uncertain"]
    doubt = int(record(one, name)["doubt"]) - one.parts.read_statistics().now_ms
    assert doubt > one.settings.doubt_window_ms - 1_000
    one.until_due(name)
    assert one.deliver(name).status is Status.COMPLETED
    assert (record(one, name)["evidence"], len(service.rows)) == ("posted", 1)


@pytest.mark.parametrize(
    "said",
    [PAGE, (201, {}, b""), (200, {}, b"{}"), (201, {}, b"0" * 2_000_000)]
    + [(status, {}, b"") for status in (202, 204, 299, 300, 303, 408, 409, 418, 500, 502, 599)]
    + [(status, {}, b'{"detail": "no"}') for status in REJECTED],
    ids=lambda said: f"{said[0]}-{said[2][:5]!r}",
)
def test_what_was_written_is_verified_at_once_whatever_was_answered(
    rig: Build, service: OddService, said: Said
) -> None:
    one = rig()
    name = one.accept()
    service.posts = [(True, said)]
    assert one.deliver(name).status is Status.COMPLETED
    assert (record(one, name)["evidence"], len(service.rows), service.posted) == ("verified", 1, 1)


def test_a_page_in_place_of_every_answer_ends_exhausted_with_what_it_said(rig: Build, service: OddService) -> None:
    one = rig(max_attempts=2)
    name = one.accept()
    service.posts = [(False, PAGE)] * 10
    failure = one.until_finished(name, others_get_in=True).failure
    assert failure is not None
    assert failure.code == "exhausted"
    assert (service.posted, service.rows) == (2, [])


@pytest.mark.parametrize("status", REJECTED)
def test_a_rejection_without_a_write_fails_at_once(rig: Build, service: OddService, status: int) -> None:
    one = rig()
    name = one.accept()
    service.posts = [(False, (status, {}, b'{"detail": "no"}'))]
    failure = one.deliver(name).failure
    assert failure is not None
    assert (failure.code, failure.detail) == ("rejected", f'POST: answered {status}, saying: {{"detail": "no"}}')
    assert (service.posted, service.got) == (1, 2)
    assert one.history(name)[-1]["http"] == status


@pytest.mark.parametrize("final", [False, True])
def test_a_replay_of_a_rejected_one_waits_for_the_doubt_unless_the_answer_is_final(
    rig: Build, service: OddService, final: bool
) -> None:
    one = rig(answer_is_final=final)
    name = one.accept()
    service.posts = [(False, (400, {}, b"no"))]
    one.deliver(name)
    one.parts.replay(name)
    assert one.deliver(name).status is (Status.COMPLETED if final else Status.PENDING)
    assert one.until_finished(name).status is Status.COMPLETED
    assert len(service.rows) == 1


def test_a_rejection_after_a_write_of_something_else_is_for_a_person(rig: Build, service: OddService) -> None:
    one = rig()
    name = one.accept()
    service.posts = [(False, (422, {}, b"no"))]
    service.gets = [None, (200, {}, json.dumps({"id": name, "amount": 100, "currency": "USD"}).encode())]
    failure = one.deliver(name).failure
    assert failure is not None
    assert failure.code == "conflict"
    assert "amount, description, metadata, after POST: answered 422, saying: no" in failure.detail


@pytest.mark.parametrize("said", [(500, {}, b""), PAGE, (200, {}, b"{}"), (404, {}, b""), (302, {}, b"")])
@pytest.mark.parametrize("written", [True, False])
def test_a_rejection_that_no_get_confirms_is_uncertain_until_one_does(
    rig: Build, service: OddService, said: Said, written: bool
) -> None:
    one = rig()
    name = one.accept()
    service.posts = [(written, (400, {}, b"no"))] * 2
    service.gets = [None, said, said]
    assert one.deliver(name).status is Status.PENDING
    assert one.outcomes(name) == ["uncertain"]
    assert record(one, name)["error"].endswith("after POST: answered 400, saying: no")
    one.clock.forward(one.settings.doubt_window_ms - 1_000)
    one.deliver(name)
    assert service.posted == 1
    transaction = one.until_finished(name)
    if written:
        assert (record(one, name)["evidence"], len(service.rows)) == ("found", 1)
    else:
        assert transaction.failure is not None
        assert (transaction.failure.code, service.posted, service.rows) == ("rejected", 2, [])


def test_rejections_that_no_get_ever_confirms_come_to_an_end(rig: Build, service: OddService) -> None:
    one = rig(max_attempts=3)
    name = one.accept()
    service.posts = [(False, (400, {}, b"no"))] * 100
    service.gets = [None, (500, {}, b"")] * 3
    one.until_finished(name)
    assert (one.error(name), service.posted) == ("exhausted", 3)


def test_a_rejected_row_that_shows_late_is_found_by_a_replay_and_not_doubled(rig: Build, service: OddService) -> None:
    one = rig()
    name = one.accept()
    service.posts = [(True, (400, {}, b"no"))]
    service.gets = [None, NOT_FOUND, NOT_FOUND]
    one.deliver(name)
    assert one.error(name) == "rejected"
    one.parts.replay(name)
    assert one.deliver(name).status is Status.PENDING
    assert one.until_finished(name).status is Status.COMPLETED
    assert (record(one, name)["evidence"], len(service.rows)) == ("found", 1)


@pytest.mark.parametrize("status", SET_UP)
def test_a_set_up_that_is_wrong_uses_nothing_up_and_names_itself(rig: Build, service: OddService, status: int) -> None:
    one = rig(max_attempts=1)
    name = one.accept()
    service.posts = [(False, (status, {"Location": "/elsewhere"}, b"{}"))] * 3
    for _ in range(3):
        assert one.deliver(name).status is Status.PENDING
        assert (record(one, name)["counted"], record(one, name)["doubt"]) == ("0", "0")
        one.until_due(name)
    assert one.outcomes(name) == ["sent_away"] * 3
    assert f"answered {status}: check TXN_POSTING_URL" in one.parts.read_statistics().outage_reason
    assert one.deliver(name).status is Status.COMPLETED
    assert len(service.rows) == 1


@pytest.mark.parametrize("status", SET_UP)
def test_a_set_up_that_is_wrong_may_have_written_all_the_same(rig: Build, service: OddService, status: int) -> None:
    one = rig()
    name = one.accept()
    service.posts = [(True, (status, {}, b"{}"))]
    assert one.until_finished(name).status is Status.COMPLETED
    assert (record(one, name)["evidence"], len(service.rows)) == ("found", 1)


@pytest.mark.parametrize("body", [b"{}", b'{"error": "not found"}', b'{"maintenance": true, "until": NaN}', b"[]"])
def test_json_that_is_no_row_fails_nothing_and_a_whole_queue_completes_once_it_is_over(
    rig: Build, service: OddService, body: bytes
) -> None:
    one = rig()
    names = [one.accept() for _ in range(3)]
    service.gets = [(200, {}, body)] * 6
    for _ in range(2):
        for name in names:
            assert one.deliver(name).status is Status.PENDING
        for name in names:
            one.until_due(name)
    assert service.posted == 0
    for name in names:
        assert one.until_finished(name).status is Status.COMPLETED
    assert sorted(row["id"] for row in service.rows) == sorted(names)


@pytest.mark.parametrize("packed", [False, True])
def test_somebody_elses_row_of_equal_content_is_not_ours(rig: Build, service: OddService, packed: bool) -> None:
    one = rig()
    theirs, ours = one.accept(), one.accept()
    one.deliver(theirs)
    body = json.dumps(service.rows[0]).encode()
    said: Said = (200, {"Content-Encoding": "gzip"}, gzip.compress(body)) if packed else (200, {}, body)
    service.gets = [said] * 2
    for _ in range(2):
        assert one.deliver(ours).status is Status.PENDING
        one.until_due(ours)
    assert (one.outcomes(ours), service.posted) == (["unanswered"] * 2, 1)
    assert "the row of another id" in record(one, ours)["error"]
    assert one.deliver(ours).status is Status.COMPLETED
    assert [row["id"] for row in service.rows] == [theirs, ours]


def test_an_id_in_capitals_is_ours_if_it_is_a_uuid(rig: Build, service: OddService) -> None:
    one = rig()
    name = one.accept()
    row = json.loads(one.parts.client.get(one.parts.keys.payload(name))) | {"id": name.upper()}
    service.posts = [(True, (500, {}, b""))]
    service.gets = [None, (200, {}, json.dumps(row).encode())]
    assert one.deliver(name).status is Status.COMPLETED
    assert record(one, name)["evidence"] == "verified"


def odd_row(row: dict[str, Any], odd: bytes) -> bytes:
    return json.dumps(row).encode()[:-1] + b', "note": ' + odd + b"}"


@pytest.mark.parametrize(
    "odd",
    [b"NaN", b"9" * 5_000, b"1e99999999999999999999", b'"\xfc"', b"[" * 10_000 + b"]" * 10_000],
    ids=lambda v: v[:9],
)
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("pack", [lambda body: body, gzip.compress], ids=["plain", "gzip"])
def test_a_row_is_found_however_oddly_it_comes(
    rig: Build, service: OddService, odd: bytes, bom: bytes, pack: Callable[[bytes], bytes]
) -> None:
    one = rig()
    name = one.accept()
    headers = {"Content-Encoding": "gzip"} if pack is gzip.compress else {}
    service.posts = [(True, (500, {}, b""))]
    row = json.loads(one.parts.client.get(one.parts.keys.payload(name)))
    service.gets = [
        (404, headers, pack(bom + b'{"note": ' + odd + b"}")),
        (200, headers, pack(bom + odd_row(row | {"id": name}, odd))),
    ]
    assert one.deliver(name).status is Status.COMPLETED
    assert (record(one, name)["evidence"], service.posted) == ("verified", 1)


def test_exhausted_keeps_the_last_answer(rig: Build, service: OddService, monkeypatch: pytest.MonkeyPatch) -> None:
    one = rig(max_attempts=1)
    name = one.accept()
    service.posts = [(False, (500, {}, b""))]
    one.deliver(name)
    one.parts.let_another_in()
    one.until_due(name)
    claim = one.parts.store.claim

    def claimed(*arguments: str) -> object:
        found = claim(*arguments)
        assert found is not None
        return found._replace(last_error=record(one, name)["error"])

    monkeypatch.setattr(one.parts.store, "claim", claimed)
    failure = one.deliver(name).failure
    assert failure is not None
    assert (failure.code, failure.detail) == ("exhausted", "not posted after 1 attempts; last: POST: answered 500")
