import logging
from collections.abc import Callable

import pytest
import requests

from ops.mock_posting.faults import PostFault
from tests.delivery.rig import Rig
from txn.delivery.blocking_steps import run
from txn.model.outcome import Mode
from txn.model.transaction import Status, Transaction
from txn.posting.results import Uncertain
from txn.readers.statistics import SILENT_MS

Build = Callable[..., Rig]


def evidence(rig: Rig, transaction_id: str) -> str:
    return rig.parts.record(transaction_id)["evidence"]


def write_row(rig: Rig, transaction_id: str, amount: float = 100.5) -> None:
    row = {"id": transaction_id, "amount": amount, "currency": "USD", "description": "Payment", "timestamp": "t"}
    row["metadata"] = '{"order_id": "12345"}'
    requests.post(f"{rig.mock.url}/transactions", json=row, timeout=60).raise_for_status()


def test_a_first_delivery_gets_posts_and_completes(rig: Build) -> None:
    one = rig()
    name = one.accept()
    assert one.deliver(name).status is Status.COMPLETED
    assert evidence(one, name) == "posted"
    stats = one.mock.stats()
    assert (stats["gets"], stats["posts"], one.rows(name)) == (1, 1, 1)
    assert one.history(name) == []


def test_the_row_is_what_the_client_sent(rig: Build) -> None:
    one = rig()
    name = one.accept(b'{"amount": "0.10", "currency": "EUR", "description": "\xc3\xa9", "metadata": {"n": 1.10}}')
    submitted = one.deliver(name).to_json()["submittedAt"]
    [row] = one.mock.rows()
    assert row == {
        "id": name,
        "amount": row["amount"],
        "currency": "EUR",
        "description": "é",
        "timestamp": submitted,
        "metadata": {"n": row["metadata"]["n"]},
    }
    assert (str(row["amount"]), str(row["metadata"]["n"])) == ("0.10", "1.10")


def test_a_wake_up_for_a_finished_or_unknown_transaction_does_nothing(rig: Build) -> None:
    one = rig()
    name = one.accept()
    one.deliver(name)
    before = one.mock.stats()
    one.deliver(name)
    run(one.rules.deliver("nobody", "nonce"))
    assert one.mock.stats() == before


def test_a_row_that_is_there_already_completes_without_a_post(rig: Build) -> None:
    one = rig()
    name = one.accept()
    write_row(one, name)
    assert one.deliver(name).status is Status.COMPLETED
    assert evidence(one, name) == "found"
    assert one.rows(name) == 1


def test_a_row_with_other_content_is_a_conflict_for_a_person(rig: Build) -> None:
    one = rig()
    name = one.accept()
    write_row(one, name, amount=100.51)
    assert one.deliver(name).status is Status.FAILED
    assert one.error(name) == "conflict"
    assert one.rows(name) == 1


@pytest.mark.parametrize("fault", ["fail_after", "truncate"])
def test_a_failure_after_the_write_and_a_truncated_answer_are_seen_by_the_verifying_get(
    rig: Build, fault: PostFault
) -> None:
    one = rig()
    name = one.accept()
    one.mock.script(name, post=[fault])
    assert one.deliver(name).status is Status.COMPLETED
    assert evidence(one, name) == "verified"
    assert one.rows(name) == 1


def test_after_an_uncertain_post_nobody_posts_before_the_doubt_window_is_over(rig: Build) -> None:
    one = rig()
    name = one.accept()
    one.mock.script(name, post=["fail_before"])
    assert one.deliver(name).status is Status.PENDING
    assert one.outcomes(name) == ["uncertain"]
    one.clock.forward(one.settings.doubt_window_ms - 1_000)
    one.deliver(name)
    assert one.mock.stats()["posts"] == 1
    one.until_due(name)
    assert one.deliver(name).status is Status.COMPLETED
    assert one.mock.stats()["posts"] == 2


def test_if_the_answer_is_final_a_failure_before_the_write_is_posted_again_after_the_backoff(rig: Build) -> None:
    one = rig(answer_is_final=True)
    name = one.accept()
    one.mock.script(name, post=["fail_before"])
    one.deliver(name)
    assert one.outcomes(name) == ["not_written"]
    one.clock.forward(one.settings.min_backoff_ms)
    assert one.deliver(name).status is Status.COMPLETED
    assert one.rows(name) == 1


def test_a_write_that_lands_after_the_caller_has_gone_is_found_and_not_repeated(rig: Build) -> None:
    one = rig(answer_is_final=True, posting_timeout_ms=3_000)
    name = one.accept()
    one.mock.script(name, post=["hang_until_released"])
    assert one.deliver(name).status is Status.PENDING
    assert one.outcomes(name) == ["uncertain"]
    one.mock.release()
    one.until_due(name)
    assert one.deliver(name).status is Status.COMPLETED
    assert evidence(one, name) == "found"
    assert one.rows(name) == 1


def test_a_stale_get_after_the_write_doubles_nothing(rig: Build) -> None:
    one = rig()
    name = one.accept()
    one.mock.script(name, post=["fail_after"], get=["ok", "missing", "ok"])
    assert one.deliver(name).status is Status.PENDING
    assert one.until_finished(name).status is Status.COMPLETED
    assert one.rows(name) == 1


def test_a_get_without_an_answer_posts_nothing(rig: Build) -> None:
    one = rig(posting_timeout_ms=3_000)
    name = one.accept()
    one.mock.script(name, get=["fail", "truncate", "hang"])
    for _ in range(3):
        assert one.deliver(name).status is Status.PENDING
        one.until_due(name)
    assert one.outcomes(name) == ["unanswered"] * 3
    assert one.mock.stats()["posts"] == 0
    assert one.deliver(name).status is Status.COMPLETED


def test_a_rejected_transaction_fails_at_once_and_says_why(rig: Build) -> None:
    one = rig()
    name = one.accept()
    one.mock.script(name, post=["reject"])
    transaction = one.deliver(name)
    assert transaction.failure is not None
    assert (transaction.failure.code, "rejected" in transaction.failure.detail) == ("rejected", True)
    assert one.rows(name) == 0


def test_a_throttled_post_waits_as_long_as_it_is_told_and_uses_no_attempt_up(rig: Build) -> None:
    one = rig()
    name = one.accept()
    one.mock.faults(retry_after_s=60)
    one.mock.script(name, post=["throttle"])
    one.deliver(name)
    record = one.parts.record(name)
    assert int(record["next"]) - one.parts.read_statistics().now_ms > 50_000
    assert (record["counted"], record["doubt"]) == ("0", "0")


@pytest.mark.parametrize(
    ("faults", "holds"),
    [
        ({"post": ["throttle"]}, True),
        ({"post": ["unavailable"]}, True),
        ({"get": ["throttle"]}, True),
        ({"get": ["unavailable"]}, True),
        ({"post": ["fail_before"]}, False),
        ({"post": ["reject"]}, False),
    ],
)
def test_what_asks_two_of_us_to_wait_is_left_alone_by_all(
    rig: Build, faults: dict[str, list[str]], holds: bool
) -> None:
    one = rig()
    one.mock.faults(retry_after_s=60)
    before_ms = one.parts.read_statistics().now_ms
    for _ in range(2):
        name = one.accept()
        one.mock.script(name, **faults)
        one.deliver(name)
    hold_ms, now_ms = one.parts.read_statistics().flow.hold_ms, one.parts.read_statistics().now_ms
    assert (hold_ms is not None and before_ms + 60_000 <= hold_ms <= now_ms + 60_000) == holds
    assert (one.parts.claim(one.accept()) is None) == holds


def test_an_unavailable_with_retry_after_may_have_been_written(rig: Build) -> None:
    one = rig()
    name = one.accept()
    one.mock.script(name, post=["unavailable"])
    one.deliver(name)
    assert one.outcomes(name) == ["uncertain"]
    assert int(one.parts.record(name)["doubt"]) > one.parts.read_statistics().now_ms


@pytest.mark.parametrize("final", [False, True])
def test_an_id_that_always_gets_500_ends_exhausted_and_was_never_posted(rig: Build, final: bool) -> None:
    one = rig(answer_is_final=final)
    name = one.accept()
    one.mock.script(name, post=["fail_before"] * 100)
    one.until_finished(name, others_get_in=True)
    assert one.error(name) == "exhausted"
    assert one.mock.stats()["posts"] == one.settings.max_attempts
    assert one.rows(name) == 0


@pytest.mark.parametrize("final", [False, True])
@pytest.mark.parametrize("fault", ["fail_before", "unavailable", "decline", "throttle", "page"])
def test_while_gets_are_answered_and_every_post_fails_attempts_are_not_used_up(
    rig: Build, fault: str, final: bool
) -> None:
    one = rig(answer_is_final=final, max_attempts=2)
    names = [one.accept(), one.accept()]
    for name in names:
        one.mock.script(name, post=[fault] * 3)
    for _ in range(3):
        for name in names:
            assert one.deliver(name).status is Status.PENDING
        for name in names:
            one.until_due(name)
    one.clock.forward(SILENT_MS)
    assert one.parts.read_statistics().posting_state == "refusing"
    for name in names:
        assert one.until_finished(name).status is Status.COMPLETED
        assert one.rows(name) == 1
    assert one.parts.read_statistics().posting_state == "answering"


def test_without_attempts_left_a_last_look_still_finds_a_late_write(rig: Build) -> None:
    one = rig(max_attempts=1, posting_timeout_ms=3_000)
    name = one.accept()
    one.mock.script(name, post=["hang_until_released"])
    one.deliver(name)
    one.mock.release()
    assert one.until_finished(name).status is Status.COMPLETED
    assert one.rows(name) == 1


def test_with_the_posting_service_down_for_ten_minutes_nothing_fails(rig: Build) -> None:
    one = rig()
    names = [one.accept() for _ in range(3)]
    one.mock.down()
    while one.clock.shift_ms < 600_000:
        for name in names:
            assert one.deliver(name).status is Status.PENDING
        one.until_due(names[0])
    assert one.parts.read_statistics().posting_away
    one.mock.up()
    for name in names:
        one.until_due(name)
        assert one.until_finished(name).status is Status.COMPLETED
        assert one.rows(name) == 1
    assert not one.parts.read_statistics().posting_away


def test_with_the_posting_service_hanging_for_ten_minutes_nothing_fails(rig: Build) -> None:
    one = rig(posting_timeout_ms=300)
    name = one.accept()
    one.mock.script(name, get=["hang"] * 100)
    while one.clock.shift_ms < 600_000:
        assert one.deliver(name).status is Status.PENDING
        one.until_due(name)
    assert one.error(name) is None


def test_an_id_whose_get_is_never_answered_while_others_are_ends_undecided(rig: Build) -> None:
    one = rig()
    name = one.accept()
    one.mock.script(name, get=["fail"] * 1_000)
    while one.clock.shift_ms < one.settings.undecided_after_ms:
        assert one.deliver(name).status is Status.PENDING
        one.until_due(name)
        one.deliver(one.accept())
        one.clock.forward(600_000)
    one.until_finished(name)
    assert one.error(name) == "undecided"


def test_silence_towards_everybody_is_not_silence_about_one_id(rig: Build) -> None:
    one = rig()
    name = one.accept()
    one.mock.script(name, get=["fail"] * 1_000)
    while one.clock.shift_ms < 2 * one.settings.undecided_after_ms:
        assert one.deliver(name).status is Status.PENDING
        one.until_due(name)
    one.deliver(one.accept())
    assert one.deliver(name).status is Status.PENDING
    one.until_due(name)
    assert one.deliver(name).status is Status.PENDING


def test_a_long_outage_is_not_silence_about_one_id(rig: Build) -> None:
    one = rig()
    name = one.accept()
    one.mock.script(name, get=["fail"] * 1_000)
    one.deliver(name)
    one.deliver(one.accept())
    one.mock.down()
    while one.clock.shift_ms < 2 * one.settings.undecided_after_ms:
        one.until_due(name)
        assert one.deliver(name).status is Status.PENDING
    one.mock.up()
    one.deliver(one.accept())
    one.until_due(name)
    assert one.deliver(name).status is Status.PENDING


def test_a_post_that_never_asked_for_the_last_check_leaves_the_whole_doubt(
    rig: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = rig()
    name = one.accept()
    monkeypatch.setattr(one.posting, "post", lambda *_: Uncertain("a transport of somebody's own"))
    assert one.deliver(name).status is Status.PENDING
    monkeypatch.undo()
    doubt = int(one.parts.record(name)["doubt"]) - one.parts.read_statistics().now_ms
    assert doubt > one.settings.doubt_window_ms
    assert one.deliver(name).status is Status.PENDING
    assert one.mock.stats()["posts"] == 0


def test_a_wrong_set_up_is_an_outage_that_names_itself(rig: Build) -> None:
    one = rig()
    name = one.accept()
    wrong = type(one.posting._transport)(f"{one.mock.url}/wrong")
    one.posting._transport = wrong
    one.deliver(name)
    assert one.outcomes(name) == ["sent_away"]
    assert "check TXN_POSTING_URL" in one.parts.read_statistics().outage_reason
    wrong.close()


def test_too_little_of_the_lease_gives_back_and_posts_nothing(rig: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    one = rig()
    name = one.accept()
    find = one.posting.find

    def slow_find(*arguments: object) -> object:
        found = find(*arguments)  # type: ignore[arg-type]
        one.clock.forward(one.settings.lease_ms - one.settings.posting_timeout_ms - one.settings.margin_ms + 1)
        return found

    monkeypatch.setattr(one.posting, "find", slow_find)
    assert one.deliver(name).status is Status.PENDING
    assert one.mock.stats()["posts"] == 0
    monkeypatch.undo()
    claim = one.parts.claimed(name)
    assert (claim.mode, claim.attempts) == (Mode.POST, 1)


def test_a_worker_that_comes_back_late_has_its_settle_refused_and_says_so(
    rig: Build, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one = rig()
    name = one.accept()
    post = one.posting.post

    def post_and_stand_still(*arguments: object) -> object:
        result = post(*arguments)  # type: ignore[arg-type]
        monkeypatch.undo()
        one.clock.forward(one.settings.lease_ms)
        assert one.deliver(name).status is Status.COMPLETED
        return result

    monkeypatch.setattr(one.posting, "post", post_and_stand_still)
    with caplog.at_level(logging.ERROR, "txn.delivery"):
        one.deliver(name)
    [record] = caplog.records
    assert (record.msg, vars(record)["transaction"], vars(record)["reply"]) == ("late settle refused", name, "taken")
    assert one.rows(name) == 1
    assert one.parts.read_statistics().totals.late_posted == 1


def test_what_escapes_is_settled_as_in_doubt(rig: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    one = rig()
    name = one.accept()

    def burst(*arguments: object) -> None:
        raise RuntimeError("burst")

    monkeypatch.setattr(one.posting, "post", burst)
    with pytest.raises(RuntimeError) as caught:
        run(one.rules.deliver(name, "nonce"))
    run(one.rules.give_up(name, "nonce", caught.value))
    record = one.parts.record(name)
    assert (record["status"], record["next"]) == ("pending", record["doubt"])
    monkeypatch.undo()
    assert one.until_finished(name).status is Status.COMPLETED
    assert one.rows(name) == 1


def test_after_doubt_a_first_delivery_posts_without_a_get(rig: Build) -> None:
    one = rig(verify="after-doubt")
    name = one.accept()
    assert one.deliver(name).status is Status.COMPLETED
    assert one.mock.stats()["gets"] == 0
    other = one.accept()
    one.mock.script(other, post=["fail_before"])
    one.deliver(other)
    gets = one.mock.stats()["gets"]
    one.until_due(other)
    one.deliver(other)
    assert one.mock.stats()["gets"] == gets + 1


def test_a_replayed_transaction_is_delivered_as_carefully_as_any_other(rig: Build) -> None:
    one = rig()
    name = one.accept()
    one.mock.script(name, post=["reject"])
    one.deliver(name)
    write_row(one, name)
    one.parts.replay(name)
    assert one.until_finished(name).status is Status.COMPLETED
    assert evidence(one, name) == "found"
    assert one.rows(name) == 1


def test_the_timeline_shows_the_answer_to_the_post_that_left_a_doubt(rig: Build) -> None:
    one = rig()
    name = one.accept()
    one.mock.script(name, post=["fail_before"])
    one.deliver(name)
    [line] = one.history(name)
    assert (line["outcome"], line["http"]) == ("uncertain", 500)


def test_what_a_second_look_has_found_is_in_the_timeline(rig: Build) -> None:
    one = rig()
    name = one.accept()
    one.parts.claimed(name)  # and its worker dies, after its POST
    write_row(one, name)
    one.clock.forward(one.settings.lease_ms)
    assert one.deliver(name).status is Status.COMPLETED
    assert [(line["mode"], line["outcome"]) for line in one.history(name)] == [("confirm", "found")]


def alternate(one: Rig, name: str, deliver: Callable[[], Transaction], others_get_in: bool) -> list[str]:
    """Deliver `name` until it is finished, or twenty times; in between, somebody else's POST is taken, or is not."""
    for _ in range(20):
        if deliver().completed_ms is not None:
            break
        other = one.accept()
        if not others_get_in:
            one.mock.script(other, post=["throttle"] * 100)
        one.deliver(other)
        one.until_due(name)
    return one.outcomes(name)


@pytest.mark.parametrize("others_get_in", [True, False])
def test_who_is_sent_away_uses_attempts_up_only_while_others_get_in(rig: Build, others_get_in: bool) -> None:
    one = rig(max_attempts=3)
    one.mock.faults(retry_after_s=0)
    name = one.accept()
    one.mock.script(name, post=["throttle"] * 100)
    outcomes = alternate(one, name, lambda: one.deliver(name), others_get_in)
    transaction = one.parts.store.read(name)
    if others_get_in:
        assert outcomes == ["sent_away"] * 3 + ["rejected"]
        assert transaction.failure is not None
        assert "answered 429" in transaction.failure.detail
        assert "others" in transaction.failure.detail
    else:
        assert (set(outcomes), transaction.status) == ({"sent_away"}, Status.PENDING)
        assert len(outcomes) > one.settings.max_attempts
    assert one.rows(name) == 0


def test_while_others_get_in_health_counts_who_is_sent_away(rig: Build) -> None:
    one = rig(max_attempts=5)
    name = one.accept()
    one.mock.script(name, post=["throttle"] * 3)
    counts = []
    while one.deliver(name).completed_ms is None:
        counts.append(one.parts.read_statistics().totals.sent_away)
        one.deliver(one.accept())
        one.until_due(name)
    assert counts == [0, 1, 1]
    assert one.parts.read_statistics().totals.sent_away == 0
    assert one.rows(name) == 1


def test_who_was_sent_away_for_the_last_time_and_is_there_all_the_same_is_completed(rig: Build) -> None:
    one = rig(max_attempts=1)
    name = one.accept()
    one.mock.script(name, post=["throttle"])
    assert one.deliver(name).status is Status.PENDING
    one.deliver(one.accept())
    one.until_due(name)
    one.mock.script(name, post=["ok", "throttle"], get=["missing", "ok"])
    write_row(one, name)
    assert one.deliver(name).status is Status.COMPLETED
    assert (evidence(one, name), one.rows(name)) == ("verified", 1)


def test_a_transaction_that_kills_its_workers_is_left_to_a_person_without_another_call(rig: Build) -> None:
    one = rig()
    name = one.accept()
    for _ in range(3):
        assert one.parts.claim(name) is not None  # and its worker is never heard of again
        one.clock.forward(one.settings.patience_ms + 1)
    before = one.mock.stats()
    transaction = one.deliver(name)
    assert transaction.failure is not None
    assert transaction.failure.code == "crashed_worker"
    assert one.mock.stats()["posts"] == before["posts"]
    assert one.mock.stats()["gets"] == before["gets"]
    one.parts.replay(name)
    one.clock.forward(one.settings.patience_ms + 1)
    assert one.deliver(name).status is Status.COMPLETED
