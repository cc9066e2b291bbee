import gc
import resource
from collections.abc import Iterator

import dramatiq
import pytest
from dramatiq import Actor, MessageProxy, Worker
from dramatiq.middleware import CurrentMessage
from dramatiq.results import Results

from ops.mock_posting.client import MockPosting
from ops.redis_server import RedisServer
from ops.waiting import until
from tests.delivery.test_in_flight import Process
from tests.parts import Clock, Parts
from txn.queue.actor import declare_hand_over
from txn.queue.broker import RecordBroker
from txn.queue.handover import SOCKETS_BESIDE, HandOver, allow_sockets
from txn.queue.middleware import StopFetching
from txn.queue.results import RecordResults
from txn.settings import Settings

THREADS, PLACES = 2, 3
#: So long that what hangs keeps its place until it is released, also where the machine stands still.
PATIENT = {"posting_timeout_ms": 60_000, "lease_ms": 240_000, "doubt_window_ms": 60_000}


class Queue:
    """A broker whose actor hands over to an event loop, and a worker of Dramatiq's own."""

    def __init__(self, parts: Parts, mock: MockPosting, together: int) -> None:
        self.parts = parts
        self.process = Process(parts, mock, limit=PLACES, started=False)
        hand_over = HandOver(self.process.in_flight)
        middleware = [CurrentMessage(), hand_over, StopFetching(), Results(backend=RecordResults(parts.store))]
        self.broker = RecordBroker(parts.database, middleware, together=together)
        self.deliver: Actor[..., None] = declare_hand_over(self.broker, self.process.in_flight)
        dramatiq.set_broker(self.broker)
        self.worker = Worker(self.broker, worker_threads=THREADS, worker_timeout=50)
        self.worker.start()

    def held(self) -> int:
        found: int = self.parts.client.scard(f"{self.parts.keys.acks}{self.broker.broker_id}.{self.parts.keys.queue}")
        return found


@pytest.fixture
def queue(
    valkey: RedisServer, settings: Settings, clock: Clock, mock: MockPosting, request: pytest.FixtureRequest
) -> Iterator[Queue]:
    threshold, limits = gc.get_threshold(), resource.getrlimit(resource.RLIMIT_NOFILE)
    with Parts(valkey.url, settings.model_copy(update=PATIENT), clock) as parts:
        found = Queue(parts, mock, getattr(request, "param", 1))
        yield found
        mock.release()
        if not found.process.in_flight._empty.is_set():
            found.worker.stop(timeout=100)
    gc.unfreeze()
    gc.set_threshold(*threshold)
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_the_result_is_the_record(queue: Queue) -> None:
    name = queue.parts.accept()
    assert queue.deliver.message(name).get_result(block=True, timeout=60_000)["status"] == "completed"


def test_a_message_is_acknowledged_when_its_id_is_handed_over_and_not_before(queue: Queue, mock: MockPosting) -> None:
    mock.faults(hang_until_released=1.0)
    for _ in range(PLACES + 4):
        queue.parts.accept()
    until(lambda: mock.stats()["in_flight"] == PLACES)
    until(lambda: queue.held() == 4)  # two of them with threads that wait for a place
    mock.faults()
    mock.release()
    until(lambda: queue.parts.read_statistics().totals.completed == PLACES + 4)
    until(lambda: queue.held() == 0)


@pytest.mark.parametrize("queue", [2], indirect=True)
def test_ids_that_are_handed_over_together_wait_for_a_place_for_each(queue: Queue, mock: MockPosting) -> None:
    mock.faults(hang_until_released=1.0)
    queue.parts.pauses.pause("ann", "so that all are there when the first are fetched")
    waits = [queue.parts.accept() for _ in range(8)]
    queue.parts.pauses.resume("ann")
    until(lambda: mock.stats()["in_flight"] == 2)
    until(lambda: queue.held() == 6)
    mock.faults()
    mock.release()
    until(lambda: {queue.parts.status(name) for name in waits} == {"completed"})
    until(lambda: queue.held() == 0)


def test_a_worker_that_stops_gives_back_what_waits_for_a_place(queue: Queue, mock: MockPosting) -> None:
    mock.faults(hang_until_released=1.0)
    ids = [queue.parts.accept() for _ in range(PLACES + 4)]
    until(lambda: mock.stats()["in_flight"] == PLACES)
    until(lambda: queue.held() == 4)
    queue.worker.stop(timeout=300)  # less than what hangs takes
    until(lambda: queue.held() == 0)
    until(lambda: len(queue.parts.queued()) == 4)
    assert set(queue.parts.queued()) < set(ids)
    assert queue.parts.read_statistics().unfinished == PLACES + 4


@pytest.mark.parametrize(("soft", "wanted"), [(600, 1_000 + SOCKETS_BESIDE), (4_000, 4_000)])
def test_there_may_be_a_connection_for_each_delivery(queue: Queue, soft: int, wanted: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    allow_sockets(1_000)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == wanted


def test_a_place_whose_message_somebody_else_refuses_is_free_again(queue: Queue) -> None:
    hand_over = HandOver(queue.process.in_flight)
    for _ in range(2 * PLACES):
        message = MessageProxy(queue.deliver.message("any"))
        hand_over.before_process_message(queue.broker, message)  # which would wait for ever
        hand_over.after_skip_message(queue.broker, message)
    hand_over.after_skip_message(queue.broker, MessageProxy(queue.deliver.message("refused before it had a place")))
    assert queue.process.in_flight._places.free == PLACES
