from collections.abc import Iterator

import pytest

from ops.mock_posting.client import MockPosting
from ops.redis_server import RedisServer
from tests.topologies import start


@pytest.fixture(scope="package")
def crash_server(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[RedisServer]:
    """A server of its own: it is killed in the middle."""
    server = start(pytestconfig.getoption("--topology"), tmp_path_factory.mktemp("crash"))
    yield server
    server.stop()


@pytest.fixture(scope="package")
def crash_mock() -> Iterator[MockPosting]:
    with MockPosting() as found:
        yield found


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits that only make room for others are not waited for."""
    monkeypatch.setattr("txn.queue.consumer.POLL_S", 0)
    monkeypatch.setattr("txn.partitions.consumer.POLL_S", 0)
    monkeypatch.setattr("txn.queue.consumer.UNAVAILABLE_S", 0)
    monkeypatch.setattr("txn.store.database.MAX_PAUSE_S", 0)
