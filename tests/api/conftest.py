from collections.abc import Iterator

import pytest
from falcon.testing import TestClient

from tests.api.client import Connected
from tests.api.conforming import Conforming
from tests.api.test_keys import keyed_api
from tests.parts import Clock, Parts
from tests.proxy import CuttingProxy
from txn.api.app import create_app
from txn.operate.tools import Tools
from txn.settings import Settings
from txn.store.changes import Changes
from txn.store.durability import DurabilityMonitor


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a request does not count in time is counted by the next one: a busy machine may not count at all."""
    monkeypatch.setattr("txn.api.operate.runs.COUNT_S", 60.0)


@pytest.fixture
def monitor(parts: Parts) -> DurabilityMonitor:
    monitor = DurabilityMonitor(allow_lossy=False)
    monitor.check(parts.client)
    return monitor


@pytest.fixture
def api(parts: Parts, monitor: DurabilityMonitor) -> TestClient:
    return Conforming(
        create_app(
            parts.store,
            parts.statistics,
            monitor,
            parts.timings,
            allow_cleanup=True,
            changes=Changes(parts.database),
            tools=Tools.on(parts.database, parts.database, parts.settings, monitor),
        )
    )


@pytest.fixture
def keyed(parts: Parts, monitor: DurabilityMonitor) -> TestClient:
    return keyed_api(parts, monitor)


@pytest.fixture
def remote(parts: Parts, proxy: CuttingProxy, settings: Settings, clock: Clock) -> Iterator[Connected]:
    with Connected(f"redis://127.0.0.1:{proxy.port}/0", settings, clock) as connected:
        yield connected
