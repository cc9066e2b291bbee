import itertools
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import redis

from ops.mock_posting.client import MockPosting
from ops.ports import free_port
from ops.redis_server import RedisServer
from tests.crash.half_written import Rig
from tests.crash.test_half_written import SCENES, Scene, _acted, end
from tests.crash.world import BrokenPromise
from tests.doctor.test_rights import LUA, called_in_all
from txn.store.keys import Keys
from txn.store.rights import NEEDED

USER = "limited"


class Redis(NamedTuple):
    """A server of the test's own, as the one who breaks it sees it, and as txn does."""

    server: RedisServer
    admin: redis.Redis
    folder: Path

    @property
    def url(self) -> str:
        return f"redis://{USER}:s3cret@127.0.0.1:{self.server.port}/0"


class Breakage(NamedTuple):
    name: str
    strike: Callable[[Redis, Keys], object]
    repair: Callable[[Redis, Keys], object]


@pytest.fixture(scope="module", params=["valkey", "redis6"])
def broken_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    folder = tmp_path_factory.mktemp("broken")
    more = {"enable_protected_configs": "yes"} if request.param == "valkey" else {}
    server = RedisServer(free_port(), folder / "data", request.param, **more).start()
    with redis.Redis(port=server.port) as admin:
        yield Redis(server, admin, folder)
    server.kill()


def without(command: str) -> Breakage:
    return Breakage(
        f"without {command}",
        lambda found, _: found.admin.execute_command("ACL", "SETUSER", USER, f"-{command.lower()}"),
        lambda found, _: found.admin.execute_command("ACL", "SETUSER", USER, "+@all"),
    )


def of_another_type(name: str) -> Breakage:
    """The key is put aside, and a text is in its place."""

    def strike(found: Redis, keys: Keys) -> None:
        key = getattr(keys, name)
        if found.admin.exists(key):
            found.admin.rename(key, "aside")
        found.admin.set(key, "text")

    def repair(found: Redis, keys: Keys) -> None:
        key = getattr(keys, name)
        found.admin.delete(key)
        if found.admin.exists("aside"):
            found.admin.rename("aside", key)

    return Breakage(f"{name} is a text", strike, repair)


def fail_to_save(found: Redis) -> None:
    """As with a full disk: Redis takes no writes after it could not save, and says MISCONF."""
    gone = found.folder / "gone"
    gone.mkdir(exist_ok=True)
    found.admin.config_set("dir", str(gone))
    found.admin.config_set("save", "3600 1000000")
    shutil.rmtree(gone)
    found.admin.bgsave()
    while found.admin.info("persistence")["rdb_last_bgsave_status"] == "ok":
        pass


def save(found: Redis) -> None:
    found.admin.config_set("dir", str(found.folder / "data"))
    found.admin.config_set("save", "")
    found.admin.execute_command("SAVE")


WHOLE_SERVER = [
    Breakage(
        "out of memory",
        lambda found, _: found.admin.config_set("maxmemory", 1),
        lambda found, _: found.admin.config_set("maxmemory", 0),
    ),
    Breakage("disk error", lambda found, _: fail_to_save(found), lambda found, _: save(found)),
]
TYPES = [
    of_another_type(name)
    for name in (
        *("due", "count", "posting", "epoch", "messages", "message_bodies", "failed", "dead_messages"),
        *("dead_message_bodies", "heartbeats", "journal", "bulk_runs", "bulk_active", "sweep"),
    )
]


#: `make test` plays one cell of a scene in so many, each scene others, `make test-crash` all.
#: Odd, so that who acted asks again in every second one.
SAMPLE = 25


def breakages(scene: Scene) -> list[Breakage]:
    """Every right that the script needs, every key, and the server as a whole."""
    commands = called_in_all((LUA / f"{scene.script}.lua").read_text())
    return [*(without(command) for command in sorted(commands)), *TYPES, *WHOLE_SERVER]


def play(found: Redis, mock: MockPosting, scene: Scene, breakage: Breakage, *, again: bool) -> None:
    """Raises: BrokenPromise."""
    mock.reset()
    prefix = f"{uuid.uuid4().hex[:8]}:"
    found.admin.execute_command("ACL", "SETUSER", USER, "reset", "on", ">s3cret", f"~{prefix}*", "~half:*", "+@all")
    with Rig(found.url, prefix, mock, found.admin) as rig:
        scene.prepare(rig)
        breakage.strike(found, rig.parts.keys)
        try:
            told = _acted(rig, scene)
            for _ in range(2):
                rig.work()
                told = told or (again and _acted(rig, scene))
        finally:
            breakage.repair(found, rig.parts.keys)
        if again and not told and not _acted(rig, scene):
            raise BrokenPromise("repaired, and it fails all the same")
        end(rig, scene)


def play_all(found: Redis, mock: MockPosting, scene: Scene, first: int = 0, every: int = 1) -> None:
    played, failures = 0, []
    cells = list(itertools.product(breakages(scene), (True, False)))[first::every]
    for breakage, again in cells:
        played += 1
        try:
            play(found, mock, scene, breakage, again=again)
        except BrokenPromise as error:
            failures.append(f"{scene.name}, {breakage.name}, {'asked again' if again else 'left'}: {error}")
    print(f"{scene.name}: {played} cells, {len(failures)} break a promise")
    assert played
    assert not failures, "\n".join(failures[:10])


@pytest.mark.parametrize(("number", "scene"), list(enumerate(SCENES)), ids=[scene.name for scene in SCENES])
def test_whatever_is_broken_in_redis(number: int, scene: Scene, broken_server: Redis, crash_mock: MockPosting) -> None:
    play_all(broken_server, crash_mock, scene, number % SAMPLE, SAMPLE)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_whatever_is_broken_in_redis_in_every_way(scene: Scene, broken_server: Redis, crash_mock: MockPosting) -> None:
    play_all(broken_server, crash_mock, scene)


def test_the_breakages_are_those_that_a_process_can_meet() -> None:
    names = {breakage.name for scene in SCENES for breakage in breakages(scene)}
    assert {f"without {command}" for command in NEEDED["api"] | NEEDED["worker"]} - names <= {
        "without MULTI",
        "without HGETALL",
        "without RPOP",  # what takes back, if a later write of the same script fails
        *("without XRANGE", "without XREAD", "without XREVRANGE"),  # what the feed reads, beside the scripts
    }
