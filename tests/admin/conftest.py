import pytest

from ops.redis_server import RedisServer
from tests.admin.site import Browser, tools_on
from tests.parts import Parts
from txn.settings import Settings


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a preview does not count in time is counted by the next request: a busy machine may not count at all."""
    monkeypatch.setattr("txn.admin.pages.bulk.COUNT_S", 60.0)


@pytest.fixture
def browser(parts: Parts, server: RedisServer, settings: Settings) -> Browser:
    """Nobody has logged in."""
    return Browser(tools_on(server.url, parts, settings))


@pytest.fixture
def ada(browser: Browser) -> Browser:
    """Somebody who may operate."""
    assert browser.log_in("ada").status_code == 303
    return browser


@pytest.fixture
def vic(browser: Browser) -> Browser:
    """Somebody who may only view."""
    assert browser.log_in("vic").status_code == 303
    return browser
