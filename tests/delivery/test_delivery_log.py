import io
import logging
from collections.abc import Callable
from typing import Any

import pytest

from tests.delivery.rig import Rig
from txn.delivery.blocking_steps import run
from txn.errors import SettleLost, StoreUnavailable
from txn.logs.flood import Flood
from txn.logs.setup import formatter
from txn.logs.unbreakable import StreamHandler
from txn.model.outcome import Settlement
from txn.posting.transport import Answer

Build = Callable[..., Rig]


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "txn.delivery")
    return caplog


def lines(said: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in said.records]


def fields(said: pytest.LogCaptureFixture) -> dict[str, Any]:
    [record] = said.records
    return vars(record)


def test_a_delivery_that_goes_well_says_nothing(rig: Build, said: pytest.LogCaptureFixture) -> None:
    one = rig()
    one.deliver(one.accept())
    assert lines(said) == []


def test_a_failed_attempt_is_one_wide_line_without_the_payload(rig: Build, said: pytest.LogCaptureFixture) -> None:
    one = rig()
    name = one.accept(b'{"amount": 7, "currency": "USD", "description": "s3cret"}')
    one.mock.script(name, post=["fail_before"])
    one.deliver(name)
    assert lines(said) == [("WARNING", "attempt failed")]
    found = fields(said)
    assert {key: found[key] for key in ("transaction", "attempt", "mode", "outcome", "detail")} == {
        "transaction": name,
        "attempt": 1,
        "mode": "post",
        "outcome": "uncertain",
        "detail": "POST: answered 500",
    }
    assert all(isinstance(found[key], int) for key in ("ms", "get_ms", "post_ms", "verify_ms"))
    assert "s3cret" not in str(found)


def test_a_dead_letter_is_said_as_such(rig: Build, said: pytest.LogCaptureFixture) -> None:
    one = rig()
    name = one.accept()
    one.mock.script(name, post=["reject"])
    one.deliver(name)
    assert lines(said) == [("WARNING", "transaction failed")]
    assert (fields(said)["outcome"], fields(said)["transaction"]) == ("rejected", name)


def test_what_the_posting_service_quotes_of_a_payload_is_in_the_record_and_not_in_the_log(
    rig: Build, said: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = rig()
    name = one.accept()
    quoted = one.posting._classified(name, Answer(400, {}, b'{"detail": "no such card: 4111-1111"}'))
    monkeypatch.setattr(one.posting, "post", lambda *arguments: quoted)
    one.deliver(name)
    assert "4111-1111" in one.parts.record(name)["detail"]
    assert "4111-1111" not in str(vars(said.records[0]))
    assert fields(said)["detail"] == "POST: answered 400"


def test_a_look_during_the_doubt_is_said_to_those_who_debug_only(rig: Build, said: pytest.LogCaptureFixture) -> None:
    one = rig()
    name = one.accept()
    one.parts.claimed(name)
    one.clock.forward(one.settings.lease_ms)
    one.deliver(name)
    assert lines(said) == [("DEBUG", "attempt in doubt")]


@pytest.mark.parametrize(("slower_ms", "expected"), [(500, []), (10_001, [("INFO", "attempt slow")])])
def test_slow_is_what_took_more_than_half_of_the_deadline_of_a_call(
    rig: Build,
    said: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    slower_ms: int,
    expected: list[tuple[str, str]],
) -> None:
    one = rig(posting_timeout_ms=20_000)
    post = one.posting.post

    def slow(*arguments: Any) -> object:
        one.clock.forward(slower_ms)
        return post(*arguments)

    monkeypatch.setattr(one.posting, "post", slow)
    one.deliver(one.accept())
    assert lines(said) == expected
    if expected:
        assert fields(said)["post_ms"] >= slower_ms
        assert fields(said)["outcome"] == "posted"


def cut_off(one: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def settle(claim_id: str, owner: str, settlement: Settlement) -> str:
        raise StoreUnavailable("Redis cannot be reached")

    monkeypatch.setattr(one.parts.store, "settle", settle)


def test_a_201_that_cannot_be_written_down_is_an_error_with_the_id_and_found_later(
    rig: Build, said: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = rig()
    name = one.accept()
    cut_off(one, monkeypatch)
    with pytest.raises(SettleLost, match="cannot be reached"):
        one.deliver(name)
    assert lines(said) == [("ERROR", "settle lost")]
    assert (fields(said)["transaction"], fields(said)["outcome"]) == (name, "posted")
    monkeypatch.undo()
    one.clock.forward(one.settings.lease_ms)
    one.deliver(name)
    assert one.parts.record(name)["evidence"] == "found"
    assert one.rows(name) == 1


def test_a_claim_that_was_never_stored_raises_no_late_settles(rig: Build) -> None:
    one = rig()
    name = one.accept()
    run(one.rules.give_up(name, "a nonce that Redis never saw", StoreUnavailable("Redis cannot be reached")))
    assert one.parts.read_statistics().totals.late_settles == 0
    assert one.parts.status(name) == "pending"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("burst"), [("WARNING", "late settle refused")]),
        (StoreUnavailable("Redis cannot be reached"), []),  # perhaps it has never claimed
    ],
)
def test_giving_up_what_somebody_else_has_taken_over_is_said(
    rig: Build, said: pytest.LogCaptureFixture, error: Exception, expected: list[tuple[str, str]]
) -> None:
    one = rig()
    name = one.accept()
    one.parts.store.claim(name, "first")
    one.clock.forward(one.settings.lease_ms)
    one.parts.store.claim(name, "heir")
    run(one.rules.give_up(name, "first", error))
    assert lines(said) == expected
    if expected:
        found = fields(said)
        assert (found["transaction"], found["outcome"], found["reply"]) == (name, "internal", "taken")


def test_a_delivery_ends_as_it_must_whatever_has_become_of_the_log(rig: Build) -> None:
    closed = io.StringIO()
    closed.close()
    handler = StreamHandler(closed)
    handler.setFormatter(formatter(text=False))
    handler.addFilter(Flood())
    logging.getLogger().addHandler(handler)
    try:
        built = rig()
        built.mock.faults(fail_before=1.0)
        name = built.accept()
        built.deliver(name)
        built.mock.faults()
        assert built.until_finished(name).status == "completed"
        assert built.rows(name) == 1
    finally:
        logging.getLogger().removeHandler(handler)
