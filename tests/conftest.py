import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from ops.mock_posting.client import MockPosting
from ops.ports import free_port
from ops.redis_server import RedisServer
from tests.parts import Clock, Parts
from tests.proxy import CuttingProxy
from tests.topologies import TOPOLOGIES, start
from txn.operate import bulk_runner
from txn.settings import Settings

#: How long a tick may go on is no matter of tests, but for those that set it: in 0.1 s a busy machine may do nothing.
bulk_runner.TICK_S = 60.0

SERVERS = ["valkey", "redis6"]
#: Memory that looks like a folder, where Linux has it.
MEMORY = Path("/dev/shm")
ROOM_BYTES = 2 * 1024**3
#: Tests that wait for processes more than they work.
WAITING = ("system", "ops", "hostile")


def pytest_configure() -> None:
    """Servers of tests sync every write, as in production: in memory that takes no time, on a disk half of the run."""
    if MEMORY.is_dir() and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC and shutil.disk_usage(MEMORY).free > ROOM_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--server", choices=SERVERS, help="leave out the tests on each other server (default: all)")
    parser.addoption("--topology", choices=TOPOLOGIES, default=TOPOLOGIES[0], help="what the tests' Valkey is")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # First, so that the others fill the time: at the end of the run there would be nothing left to do beside them.
    items.sort(key=lambda item: item.path.parent.name not in WAITING)
    if chosen := config.getoption("--server"):
        others = set(SERVERS) - {chosen}
        config.hook.pytest_deselected(items=[item for item in items if others & asked_for(item)])
        items[:] = [item for item in items if not others & asked_for(item)]


def asked_for(item: pytest.Item) -> set[object]:
    """What a test is a variant for, as far as it is a word."""
    params = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return {value for value in params if isinstance(value, str)}


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[RedisServer]:
    server = start(pytestconfig.getoption("--topology"), tmp_path_factory.mktemp("valkey"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis6(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(free_port(), tmp_path_factory.mktemp("redis6"), "redis6").start()
    yield server
    server.stop()


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> RedisServer:
    found: RedisServer = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    """Nobody else is connected to it."""
    found = RedisServer(free_port(), tmp_path / "own").start()
    yield found
    found.kill()


@pytest.fixture
def proxy(server: RedisServer) -> Iterator[CuttingProxy]:
    with CuttingProxy(server.port) as found:
        yield found


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings() -> Settings:
    return Settings(prefix=f"{{{uuid.uuid4().hex[:8]}}}:")


@pytest.fixture
def parts(server: RedisServer, settings: Settings, clock: Clock) -> Iterator[Parts]:
    """A store with its own prefix and a clock that the test moves, on each supported server."""
    with Parts(server.url, settings, clock) as found:
        yield found
        found.clear()


@pytest.fixture
def raw(parts: Parts) -> redis.Redis:
    return parts.client


@pytest.fixture(scope="session")
def mock_process() -> Iterator[MockPosting]:
    with MockPosting() as found:
        yield found


@pytest.fixture
def mock(mock_process: MockPosting) -> MockPosting:
    mock_process.reset()
    return mock_process
