"""A server at its maxmemory: what was accepted ends, and nothing new begins."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.mock_posting.client import MockPosting
from ops.ports import free_port
from ops.redis_server import RedisServer
from tests.crash.half_written import Rig
from tests.crash.test_half_written import SCENES, Scene, accepted, end
from tests.store.lua_source import SCRIPTS
from txn.errors import StoreRefuses
from txn.store.scripts import text_of

#: What takes new transactions.
TAKES_NEW = ("accept",)


@pytest.fixture(scope="module", params=["valkey", "redis6"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    folder: Path = tmp_path_factory.mktemp("full")
    found = RedisServer(free_port(), folder, request.param).start()
    yield found
    found.kill()


@pytest.fixture
def rig(server: RedisServer, crash_mock: MockPosting) -> Iterator[Rig]:
    crash_mock.reset()
    with Rig(server.url, f"{uuid.uuid4().hex[:8]}:", crash_mock) as found:
        yield found
        found.witness.config_set("maxmemory", 0)


def fill(rig: Rig) -> None:
    rig.witness.config_set("maxmemory", 1)


@pytest.mark.parametrize(
    "scene", [scene for scene in SCENES if scene.script not in TAKES_NEW], ids=lambda scene: scene.name
)
def test_whatever_ends_a_transaction_goes_on(scene: Scene, rig: Rig) -> None:
    scene.prepare(rig)
    fill(rig)
    scene.act(rig)
    end(rig, scene)


@pytest.mark.parametrize(
    "scene", [scene for scene in SCENES if scene.script in TAKES_NEW], ids=lambda scene: scene.name
)
def test_whatever_takes_new_ones_is_refused_until_there_is_room(scene: Scene, rig: Rig) -> None:
    scene.prepare(rig)
    fill(rig)
    with pytest.raises(StoreRefuses, match="command not allowed when used memory"):
        scene.act(rig)
    rig.run_to_quiet()
    rig.check()
    rig.witness.config_set("maxmemory", 0)
    scene.act(rig)
    rig.run_to_quiet()
    rig.check()


def test_a_repeat_of_what_was_accepted_is_answered(rig: Rig) -> None:
    accepted(rig)
    fill(rig)
    accepted(rig)


def test_only_what_takes_new_ones_stays_out_of_the_reserve() -> None:
    assert {name for name, text in SCRIPTS.items() if "uses_reserve = false" in text} == set(TAKES_NEW)
    assert all("uses_reserve" in text_of(text) for text in SCRIPTS.values())
