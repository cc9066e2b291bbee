import logging
import threading
import time
from collections.abc import Iterator

import dramatiq
import pytest
from dramatiq import Actor, Worker
from dramatiq.middleware import CurrentMessage
from dramatiq.results import ResultFailure, ResultMissing, Results, ResultTimeout
from dramatiq_dashboard.interface import RedisInterface

from ops.mock_posting.client import MockPosting
from ops.redis_server import RedisServer
from tests.parts import Clock, Parts
from txn.delivery.blocking_steps import BlockingSteps, run
from txn.delivery.rescuer import Rescuer
from txn.delivery.rules import Rules
from txn.errors import StoreUnavailable
from txn.loop import Loop
from txn.model.outcome import Completed, Settlement
from txn.model.transaction import Evidence
from txn.posting.curl import CurlTransport
from txn.posting.service import PostingService
from txn.queue.actor import declare_actor
from txn.queue.broker import RecordBroker
from txn.queue.middleware import RunLoops, SettleEscaped
from txn.queue.results import RecordResults
from txn.settings import Settings

#: It calls what is deprecated since Python 3.12; txn/admin/dramatiq_pages.py, which our site serves, does not.
STOCK_DASHBOARD = pytest.mark.filterwarnings("ignore:datetime.datetime.utc:DeprecationWarning")


class Queue:
    """A broker with its actor, and a worker of Dramatiq's own in this process once it is started."""

    def __init__(self, parts: Parts, mock: MockPosting) -> None:
        self.parts, self.mock = parts, mock
        self.posting = PostingService(CurlTransport(mock.url), parts.settings.posting_timeout_ms)
        self.rules = Rules(BlockingSteps(parts.store, self.posting), parts.settings)
        middleware = [
            CurrentMessage(),
            Results(backend=RecordResults(parts.store)),
            SettleEscaped(self.rules),
            RunLoops(Loop("rescuer", Rescuer(parts.store).beat)),
        ]
        self.broker = RecordBroker(parts.database, middleware)
        self.deliver: Actor[[str], None] = declare_actor(self.broker, self.rules)
        self.worker = Worker(self.broker, worker_threads=2, worker_timeout=50)
        dramatiq.set_broker(self.broker)


@pytest.fixture
def queue(valkey: RedisServer, settings: Settings, clock: Clock, mock: MockPosting) -> Iterator[Queue]:
    quick = settings.model_copy(update={"min_backoff_ms": 20, "answer_is_final": True})
    with Parts(valkey.url, quick, clock) as parts:
        queue = Queue(parts, mock)
        yield queue
        if queue.worker.workers:
            queue.worker.stop()


def test_a_result_is_the_settled_record(queue: Queue) -> None:
    name = queue.parts.accept()
    with pytest.raises(ResultMissing):
        queue.deliver.message(name).get_result()
    queue.worker.start()
    result = queue.deliver.message(name).get_result(block=True, timeout=60_000)
    assert result == queue.parts.store.read(name).to_json()
    assert result["status"] == "completed"


def test_the_result_of_a_failed_transaction_is_its_error(queue: Queue) -> None:
    name = queue.parts.accept()
    queue.mock.script(name, post=["reject"])
    queue.worker.start()
    with pytest.raises(ResultFailure, match="rejected"):
        queue.deliver.message(name).get_result(block=True, timeout=60_000)


def test_waiting_for_a_result_that_does_not_come_ends(queue: Queue) -> None:
    with pytest.raises(ResultTimeout):
        queue.deliver.message("nobody").get_result(block=True, timeout=150)


def test_a_success_costs_three_calls_and_no_other(queue: Queue) -> None:
    name = queue.parts.accept()
    queue.parts.client.config_resetstat()
    [(message, _)] = queue.parts.messages().fetch(1)
    run(queue.rules.deliver(name, "nonce"))
    queue.parts.messages().fetch(0, [message])
    calls = queue.parts.client.info("commandstats")["cmdstat_evalsha"]["calls"]
    assert calls == 4  # fetch, claim, settle, and an ack that otherwise travels with the next fetch


def test_a_message_sent_by_hand_delivers_and_a_second_one_does_nothing(queue: Queue) -> None:
    name = queue.parts.accept()
    queue.worker.start()
    for _ in range(3):
        queue.deliver.send(name)
    queue.deliver.message(name).get_result(block=True, timeout=60_000)
    queue.worker.join()
    assert queue.mock.stats()["posts"] == 1


def test_a_delayed_message_is_refused(queue: Queue) -> None:
    with pytest.raises(ValueError, match="cannot be delayed"):
        queue.deliver.send_with_options(args=("a",), delay=1_000)


@pytest.mark.parametrize("arguments", [(), ("a", "b"), (7,)])
def test_a_message_without_exactly_one_id_is_refused(queue: Queue, arguments: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match="one transaction id"):
        queue.deliver.send(*arguments)


def test_a_retry_comes_back_by_the_due_index_alone(queue: Queue) -> None:
    name = queue.parts.accept()
    queue.mock.script(name, post=["fail_before", "fail_before"])
    queue.worker.start()
    assert queue.deliver.message(name).get_result(block=True, timeout=60_000)["status"] == "completed"
    assert queue.parts.record(name)["attempts"] == "3"


def test_what_escapes_the_actor_is_settled_by_nonce_as_in_doubt(
    queue: Queue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    name = queue.parts.accept()

    def burst(*arguments: object) -> None:
        raise RuntimeError("burst")

    monkeypatch.setattr(queue.posting, "post", burst)
    with caplog.at_level(logging.ERROR):
        queue.worker.start()
        while queue.parts.record(name).get("error") is None:
            time.sleep(0.01)
    record = queue.parts.record(name)
    assert (record["status"], record["next"]) == ("pending", record["doubt"])
    assert record["error"] == "delivery ended with RuntimeError"


@STOCK_DASHBOARD
def test_dead_letters_show_in_dramatiqs_dashboard_and_leave_it_with_the_replay(queue: Queue) -> None:
    name = queue.parts.accept()
    queue.mock.script(name, post=["reject"])
    run(queue.rules.deliver(name, "nonce"))
    dashboard = RedisInterface(queue.broker)
    _, [job] = dashboard.get_jobs("deliver.XQ")
    assert (job.message_id, job.args) == (name, (name,))
    assert [(one.name, one.jobs_dead) for one in dashboard.queues] == [("deliver", 1)]
    queue.parts.replay(name)
    assert dashboard.get_jobs("deliver.XQ")[1] == []


@STOCK_DASHBOARD
def test_the_dashboard_shows_workers_by_their_heartbeat(queue: Queue) -> None:
    queue.parts.messages("one").heartbeat()
    assert [one.name for one in RedisInterface(queue.broker).workers] == ["one"]


def test_a_stock_consumer_runs_our_messages(queue: Queue) -> None:
    name = queue.parts.accept()
    stock = dramatiq.brokers.redis.RedisBroker(client=queue.parts.client, namespace=queue.parts.keys.namespace)
    message = next(stock.consume("deliver", prefetch=1, timeout=100))
    assert message is not None
    assert message.args == (name,)


def test_what_could_not_be_settled_is_not_settled_again_as_something_worse(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = queue.parts.accept()
    settled = threading.Event()
    outcomes = []

    def settle(claim_id: str, owner: str, settlement: Settlement) -> str:
        outcomes.append(settlement.outcome)
        settled.set()
        raise StoreUnavailable("Redis cannot be reached")

    monkeypatch.setattr(queue.parts.store, "settle", settle)
    queue.worker.start()
    assert settled.wait(60)
    queue.worker.stop()
    assert outcomes == [Completed(Evidence.POSTED)]
    assert queue.parts.status(name) == "processing"
