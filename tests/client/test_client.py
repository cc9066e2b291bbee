import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ops.ports import free_port
from tests.callbacks.receiver import SECRET, Receiver, line
from tests.client.scripted import Scripted
from tests.system.stack import Stack, stack_fixture
from txn.client import (
    BatchRefused,
    Client,
    Conflict,
    CursorExpired,
    Invalid,
    NotAllowed,
    NotFound,
    Submission,
    Unavailable,
    UnexpectedAnswer,
    verify_callback,
)

FOUND = (
    b'{"transactionId": "a", "status": "pending", "submittedAt": "2026-11-28T10:00:00.250Z", "completedAt": null, '
    b'"error": null}'
)
ACCEPTED = (202, {}, FOUND)


def problem(status: int, code: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    return status, headers, b'{"code": "%b", "detail": "because"}' % code.encode()


stack = stack_fixture(workers=1, scope="module")


@pytest.fixture
def client(stack: Stack) -> Iterator[Client]:
    with Client(stack.url) as client:
        yield client


def test_what_is_submitted_is_completed_and_posted_as_it_was_given(stack: Stack, client: Client) -> None:
    accepted = client.submit(Decimal("100.5"), "USD", "Payment", {"order_id": "12345"})
    found = client.wait(accepted.id)
    assert (accepted.status, accepted.replayed, accepted.is_final) == ("pending", False, False)
    assert (found.id, found.status, found.is_final, found.failure) == (accepted.id, "completed", True, None)
    assert found.completed_at is not None
    assert accepted.submitted_at <= found.completed_at <= datetime.now(UTC)
    [row] = [row for row in stack.mock.rows() if row["id"] == accepted.id]
    assert (Decimal(str(row["amount"])), row["currency"]) == (Decimal("100.50"), "USD")


def test_each_submit_has_a_key_of_its_own_and_the_same_object_the_same(client: Client) -> None:
    one = Submission("1", "USD", "x")
    first, again = client.submit_one(one), client.submit_one(one)
    other = client.submit("1", "USD", "x")
    assert (first.id, first.replayed, again.replayed) == (again.id, False, True)
    assert other.id != first.id


def test_an_expiry_is_kept_and_needs_a_time_zone(client: Client) -> None:
    expiry = datetime(2999, 1, 1, tzinfo=UTC)
    accepted = client.submit("1", "USD", "x", deliver_by=expiry)
    assert client.wait(accepted.id).deliver_by == expiry
    with pytest.raises(Invalid) as refused:
        client.submit("1", "USD", "x", deliver_by=datetime(2020, 1, 1, tzinfo=UTC))
    assert refused.value.field == "deliverBy"
    with pytest.raises(ValueError, match="no time zone"):
        client.submit("1", "USD", "x", deliver_by=datetime(2999, 1, 1))  # noqa: DTZ001  (that is what is refused)


def test_a_failed_transaction_says_why(stack: Stack, client: Client) -> None:
    stack.mock.script("to-reject", post=["reject"])
    found = client.wait(client.submit("1", "USD", "x", id="to-reject").id)
    assert found.failure is not None
    assert (found.status, found.failure.code) == ("failed", "rejected")


def test_refusals_are_errors_of_their_kind(client: Client) -> None:
    with pytest.raises(Invalid) as wrong:
        client.submit("-1", "?", "x")
    assert (wrong.value.status, wrong.value.code, wrong.value.field) == (400, "invalid", "amount")
    assert [field for field, _ in wrong.value.errors] == ["amount", "currency"]
    with pytest.raises(NotFound):
        client.read("nobody")
    client.submit("1", "USD", "x", key="used")
    with pytest.raises(Conflict) as conflict:
        client.submit("2", "USD", "x", key="used")
    assert (conflict.value.status, conflict.value.differs) == (422, ["amount"])


def test_what_was_submitted_is_listed_and_chosen_by_what_it_is(stack: Stack, client: Client) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    stack.mock.script("listed-bad", post=["reject"])
    many = [Submission("1", "NOK", "x", id=f"listed-{number}") for number in range(3)]
    client.submit_batch([*many, Submission("2", "SEK", "x", id="listed-bad")])
    bad = client.wait("listed-bad")
    assert list(client.list(currency="SEK", status="failed", error_code="rejected", since=began)) == [bad]
    assert [one.id for one in client.list(currency="NOK")] == ["listed-2", "listed-1", "listed-0"]
    assert list(client.list(until=began, currency="NOK")) == []
    page = client.list_page(limit=1, since=began)
    assert (len(page.transactions), page.unreadable) == (1, [])
    assert client.list_page(page.cursor, limit=1, since=began).transactions != page.transactions
    with pytest.raises(Invalid, match="cursor"):
        client.list_page("garbled")
    with pytest.raises(ValueError, match="no time zone"):
        client.list_page(since=datetime(2999, 1, 1))  # noqa: DTZ001  (that is what is refused)


def test_a_float_is_no_amount() -> None:
    with pytest.raises(TypeError, match="float"):
        Submission(0.1, "USD", "x")  # type: ignore[arg-type]


def test_decimals_in_metadata_keep_their_digits(stack: Stack, client: Client) -> None:
    metadata = {"rate": Decimal("1.10"), "many": [Decimal("0.123456789012345678901234567890"), "1.10"], "n": 1}
    accepted = client.submit("1", "USD", "x", metadata)
    client.wait(accepted.id)
    stored = stack.client.get(f"{stack.prefix}p:{accepted.id}")
    assert isinstance(stored, bytes)
    assert b'"rate": 1.10' in stored.replace(b'":1', b'": 1')
    assert b"0.123456789012345678901234567890" in stored
    for wrong in (Decimal("NaN"), {1, 2}):
        with pytest.raises(TypeError, match="metadata"):
            client.submit("1", "USD", "x", {"rate": wrong})


def test_a_batch_is_sent_in_as_many_requests_as_it_needs(stack: Stack, client: Client) -> None:
    many = [Submission("1", "USD", "x", id=f"many-{number}") for number in range(600)]
    results = client.submit_batch([*many, Submission("-1", "USD", "x"), many[0]])
    assert [result.result for result in results] == ["created"] * 600 + ["invalid", "replayed"]
    assert [result.transaction.id for result in results[:600] if result.transaction] == [one.id for one in many]
    assert isinstance(results[600].error, Invalid)
    assert results[601].transaction is not None
    assert results[601].transaction.replayed


def test_a_batch_of_large_transactions_is_sent_in_parts_that_fit(client: Client) -> None:
    large = [Submission("1", "USD", "x", {"text": "y" * 8_000}) for _ in range(300)]
    assert {result.result for result in client.submit_batch(large)} == {"created"}


def test_an_atomic_batch_is_stored_whole_or_refused(stack: Stack, client: Client) -> None:
    with pytest.raises(BatchRefused) as refused:
        client.submit_batch([Submission("1", "USD", "x"), Submission("-1", "USD", "x")], atomic=True)
    assert [result["result"] for result in refused.value.results] == ["not_stored", "invalid"]
    whole = client.submit_batch([Submission("1", "USD", "x"), Submission("2", "USD", "x")], atomic=True)
    assert [result.result for result in whole] == ["created"] * 2


@pytest.mark.parametrize("passing", [429, 500, 502, 503, 504])
def test_what_is_refused_for_now_is_sent_again_with_the_same_key(passing: int) -> None:
    with Scripted(problem(passing, "later"), None, problem(passing, "later"), ACCEPTED) as api:
        with Client(api.url) as client:
            assert client.submit("1", "USD", "x").id == "a"
        assert len({headers["Idempotency-Key"] for _, _, headers, _ in api.seen}) == 1
        assert len({body for *_, body in api.seen}) == 1
        assert len(api.seen) == 4


def test_retry_after_is_obeyed() -> None:
    with Scripted(problem(503, "later", **{"Retry-After": "1"}), ACCEPTED) as api, Client(api.url) as client:
        began = time.monotonic()
        client.submit("1", "USD", "x")
        assert time.monotonic() - began >= 1


def test_patience_ends_and_the_error_has_the_key() -> None:
    with Scripted(problem(503, "later")) as api, Client(api.url, patience_s=0.3) as client:
        with pytest.raises(Unavailable, match=r"503.*because") as away:
            client.submit("1", "USD", "x")
        assert away.value.keys == [api.seen[0][2]["Idempotency-Key"]]
    with Client(f"http://127.0.0.1:{free_port()}", patience_s=0.3) as client:
        with pytest.raises(Unavailable, match="no answer") as away:
            client.submit("1", "USD", "x", key="mine")
        assert away.value.keys == ["mine"]


def test_an_answer_that_does_not_come_in_time_is_asked_for_again() -> None:
    with Scripted(ACCEPTED) as api:
        held, go = api.next_answer, threading.Event()
        first = [True]

        def slow() -> tuple[int, dict[str, str], bytes] | None:
            if first.pop() if first else False:
                go.wait(30)
            return held()

        api.next_answer = slow  # type: ignore[method-assign]
        with Client(api.url, timeout_s=0.3) as client:
            assert client.submit("1", "USD", "x").id == "a"
        go.set()
        assert len(api.seen) >= 2
        assert len({headers["Idempotency-Key"] for _, _, headers, _ in api.seen}) == 1


@pytest.mark.parametrize(
    "answer",
    [
        (200, {"Content-Type": "text/html"}, b"<html>"),
        (200, {}, b"[]"),
        (404, {}, b"nothing here"),
        (301, {"Location": "/x"}, b""),
    ],
    ids=["a page", "other json", "another 404", "a redirect"],
)
def test_another_service_is_not_taken_for_the_api(answer: tuple[int, dict[str, str], bytes]) -> None:
    with Scripted(answer) as api, Client(api.url.replace("//", "//user:secret@")) as client:
        with pytest.raises(UnexpectedAnswer) as unexpected:
            client.read("a")
        assert "secret" not in str(unexpected.value)
        assert len(api.seen) == 1


def test_the_api_key_is_sent_and_its_refusal_is_an_error_of_its_own() -> None:
    with Scripted(problem(401, "unauthorized")) as api, Client(api.url, "the-key") as client:
        with pytest.raises(NotAllowed):
            client.read("a")
        assert api.seen[0][2]["Authorization"] == "Bearer the-key"


def test_waiting_ends_with_what_is_known() -> None:
    with Scripted((200, {}, FOUND)) as api, Client(api.url) as client:
        found = client.wait("a", timeout_s=0.5)
        assert (found.status, found.is_final) == ("pending", False)
        assert len(api.seen) < 10, "it does not ask without a pause"


def test_waiting_takes_one_request_that_the_api_answers_with_the_end(stack: Stack, client: Client) -> None:
    stack.mock.script("slow", post=["fail_before"])
    began = time.monotonic()
    accepted = client.submit("1", "USD", "x", id="slow")
    found = client.read(accepted.id, wait_s=20)
    assert found.status == "completed"
    assert time.monotonic() - began < 20


def test_the_feed_has_each_end_once_whoever_asks_in_parts_or_follows(stack: Stack, client: Client) -> None:
    stack.until_quiet()
    start, cursor = client.changes(limit=1), None
    while start.changes:
        start = client.changes(cursor := start.cursor, limit=1000)
    names = [client.submit("1", "USD", "x").id for _ in range(30)]
    told: list[str] = []
    for page in client.follow(cursor):
        told += [change.transaction_id for change in page.changes if change.status == "completed"]
        if len(told) >= len(names):
            break
    assert sorted(told) == sorted(names)


def test_a_cursor_that_is_too_old_is_an_error_of_its_own() -> None:
    with Scripted(problem(410, "cursor_expired")) as api, Client(api.url) as other, pytest.raises(CursorExpired):
        other.changes("x")


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://x", "http://"])
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="http"):
        Client(url)


def submit_while_the_api_is_killed(stack: Stack, least: int, kills: int) -> list[str]:
    """Submits until both are reached: the ids."""
    killed, over = 0, threading.Event()

    def kill() -> None:
        nonlocal killed
        while killed < kills or not over.is_set():
            over.wait(1)
            stack.processes["api"].kill()
            killed += 1
            stack.start_api()

    def submit(client_number: int) -> list[str]:
        found: list[str] = []
        with Client(stack.url, timeout_s=5) as client:
            while len(found) < least / 8 or killed < kills:
                over.wait(0.1 if len(found) > least / 8 else 0)  # enough: only the kills are missing
                if len(found) % 40 == 0:
                    batch = [Submission("1", "USD", "x") for _ in range(20)]
                    results = client.submit_batch(batch)
                    found += [result.transaction.id for result in results if result.transaction]
                found.append(client.submit("1", "USD", f"{client_number}").id)
        return found

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with ThreadPoolExecutor(8) as pool:
            told = [one for some in pool.map(submit, range(8)) for one in some]
    finally:
        over.set()
        killer.join()
    return told


def check_that_none_is_lost_or_doubled(stack: Stack, told: list[str]) -> None:
    assert len(set(told)) == len(told)
    assert stack.count("accepted") == len(told)
    stack.start_worker(1)
    stack.until_quiet(240)
    stack.check_ledger(told)


def check_that_each_was_called_back(stack: Stack, receiver: Receiver, told: list[str]) -> None:
    """At least once, and genuine."""
    names = set(told)
    stack.until(lambda: len({one.headers["webhook-id"] for one in list(receiver.received)}) >= len(names), "told", 240)
    called = [verify_callback(one.headers, one.body, SECRET, tolerance_s=600) for one in receiver.received]
    assert {one.transaction.id for one in called if one.transaction} == names
    assert {one.type for one in called} == {"transaction.completed"}
    stack.until(lambda: stack.count("callbacks_waiting") == 0, "all are told")
    assert (stack.count("callbacks_dead"), stack.count("callbacks_told")) == (0, len(names))


@contextlib.contextmanager
def called_back(folder: Path) -> Iterator[tuple[Stack, Receiver]]:
    """A stack whose client is told, and whoever is told."""
    local = {"TXN_ALLOW_HTTP_CALLBACKS": "1", "TXN_CALLBACK_NETWORKS": "127.0.0.0/8"}
    with Receiver() as receiver, Stack(folder, local | {"TXN_CALLBACKS": line("default", receiver.url)}) as stack:
        yield stack, receiver


def test_the_api_is_killed_again_and_again_and_none_is_lost_or_doubled_and_each_is_told(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with called_back(tmp_path_factory.mktemp("killed")) as (stack, receiver):
        told = submit_while_the_api_is_killed(stack, 200, kills=2)
        check_that_none_is_lost_or_doubled(stack, told)
        check_that_each_was_called_back(stack, receiver, told)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_five_thousand_while_the_api_is_killed_every_second(tmp_path_factory: pytest.TempPathFactory) -> None:
    with called_back(tmp_path_factory.mktemp("killed")) as (stack, receiver):
        told = submit_while_the_api_is_killed(stack, 5_000, kills=10)
        assert len(told) >= 5_000
        check_that_none_is_lost_or_doubled(stack, told)
        check_that_each_was_called_back(stack, receiver, told)
