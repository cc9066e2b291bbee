import os
import signal
import threading
from collections.abc import Iterator

import pytest

from tests.proxy import CuttingProxy
from tests.system.stack import PATIENCE_S, RECOVERY_S, Stack

pytestmark = pytest.mark.timeout(300)

FAULTY = {"fail_before": 0.2, "fail_after": 0.2, "get_fail": 0.05, "latency_ms": 20}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("system")) as found:
        yield found


@pytest.fixture
def stack(running: Stack) -> Stack:
    running.begin_anew()
    return running


def test_a_transaction_is_completed_and_posted_once(stack: Stack) -> None:
    stack.start_worker()
    transaction = stack.submit()
    stack.until(lambda: stack.status(transaction)["status"] == "completed", "it is completed")
    stack.check_ledger([transaction])
    [row] = stack.mock.rows()
    assert str(row["amount"]) == "100.50"
    assert row["metadata"] == {"order_id": "12345"}


def test_300_at_once_against_a_service_that_fails_in_every_way_end_up_there_once(stack: Stack) -> None:
    # Late writes land within the doubt window (2 s after the deadline of 0.5 s), also if the service stands still.
    stack.mock.faults(**FAULTY, hang_write=0.05, hang_min_ms=500, hang_max_ms=1_000)
    stack.start_worker(threads=16)
    accepted = stack.submit_many(300)
    stack.until_quiet(120)
    stack.check_ledger(accepted)
    assert stack.numbers()["failed"] == 0


def test_a_killed_worker_process_loses_and_doubles_nothing(stack: Stack) -> None:
    stack.mock.faults(latency_ms=50)
    worker = stack.start_worker()
    accepted = stack.submit_many(100)
    os.kill(worker.children()[0].pid, signal.SIGKILL)
    assert worker.popen is not None
    worker.popen.wait(30)
    stack.start_worker()
    stack.until_quiet()
    stack.check_ledger(accepted)


def test_a_worker_killed_in_the_middle_of_a_post_is_covered_within_lease_and_doubt_window(stack: Stack) -> None:
    stack.mock.faults(hang_until_released=1.0)
    worker = stack.start_worker()
    transaction = stack.submit("one")
    stack.until(lambda: stack.mock.stats()["posts"] == 1, "its POST is under way")
    worker.kill()
    stack.mock.release()
    stack.mock.faults()
    stack.start_worker()
    took = stack.until_quiet()
    stack.check_ledger([transaction])
    assert took < 3 * RECOVERY_S


def test_sigterm_in_the_middle_of_work_finishes_or_gives_back(stack: Stack) -> None:
    stack.mock.faults(latency_ms=50)
    worker = stack.start_worker()
    accepted = stack.submit_many(200)
    assert worker.stop(PATIENCE_S) == 0
    assert stack.client.keys("txn:dramatiq:__acks__*") == []
    stack.start_worker()
    stack.until_quiet()
    stack.check_ledger(accepted)


def test_a_worker_that_stands_still_for_less_than_lease_and_doubt_window_doubles_nothing(stack: Stack) -> None:
    stack.mock.faults(latency_ms=50)
    worker = stack.start_worker()
    other = stack.start_worker()
    accepted = stack.submit_many(200)
    assert other.popen is not None
    assert worker.popen is not None
    os.killpg(worker.popen.pid, signal.SIGSTOP)
    threading.Event().wait(0.8 * RECOVERY_S)
    os.killpg(worker.popen.pid, signal.SIGCONT)
    stack.until_quiet()
    stack.check_ledger(accepted)


def test_redis_killed_and_away_for_three_seconds_loses_nothing_it_acknowledged(stack: Stack) -> None:
    stack.mock.faults(latency_ms=50)
    stack.start_worker()
    accepted = stack.submit_many(100, "before")
    submitting = threading.Thread(target=lambda: accepted.extend(stack.submit_many(100, "during")))
    stack.redis_server.kill()
    submitting.start()
    threading.Event().wait(3)
    stack.redis_server.start()
    submitting.join()
    assert len(accepted) == 200
    stack.until_quiet()
    stack.check_ledger(accepted)


def test_deleting_every_key_of_the_broker_and_the_script_cache_loses_nothing(stack: Stack) -> None:
    accepted = stack.submit_many(50)
    stack.client.delete(*stack.client.keys("txn:dramatiq*"))
    stack.client.script_flush()
    stack.start_worker()
    stack.until_quiet()
    stack.check_ledger(accepted)


def test_a_fetch_whose_reply_is_lost_while_the_worker_lives_on_loses_nothing(stack: Stack) -> None:
    with CuttingProxy(stack.redis_server.port) as proxy:
        stack.redis_port = proxy.port
        stack.start_worker(processes=1)
        proxy.cut_answers(b"deliver.msgs")
        accepted = [stack.submit(f"key-{number}") for number in range(5)]
        assert proxy.was_cut.wait(60)
        proxy.mend()
        assert stack.until_quiet() < 3 * RECOVERY_S
        stack.check_ledger(accepted)


def test_a_client_that_repeats_its_key_gets_the_same_transaction(stack: Stack) -> None:
    stack.start_worker()
    assert stack.submit("same") == stack.submit("same")
    stack.until_quiet()
    assert len(stack.mock.rows()) == 1


def test_submits_are_answered_while_the_posting_service_hangs(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    # However long the submits take, what hangs is released before its deadline: after the doubt window it would double.
    patient = {"TXN_POSTING_TIMEOUT_MS": "60000", "TXN_DOUBT_WINDOW_MS": "60000"}
    monkeypatch.setattr(stack, "settings", stack.settings | patient)
    stack.mock.faults(hang_until_released=1.0)
    stack.start_worker()
    accepted = stack.submit_many(50)
    assert {stack.status(name)["status"] for name in accepted} <= {"pending", "processing"}
    stack.mock.release()
    stack.mock.faults()
    stack.until_quiet()
    stack.check_ledger(accepted)
