import contextlib
import re
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from falcon.testing import Result

from ops.ports import free_port
from ops.redis_server import RedisServer
from ops.waiting import until
from tests.api.client import Connected, problem, status, submit, with_id
from tests.parts import Clock
from txn.errors import NotDurable
from txn.settings import Settings
from txn.store.connection import connect
from txn.store.durability import DurabilityMonitor
from txn.store.inspection import Ask, Durability, inspect

Start = Callable[..., RedisServer]

LOSSY = [
    ("appendonly", "no", "yes"),
    ("appendfsync", "everysec", "always"),
    ("appendfsync", "no", "always"),
    ("no-appendfsync-on-rewrite", "yes", "no"),
    ("maxmemory-policy", "allkeys-lru", "noeviction"),
    ("maxmemory-policy", "volatile-ttl", "noeviction"),
]
LOSSY_PARAMETERS = pytest.mark.parametrize(("setting", "value", "needed"), LOSSY)


@pytest.fixture(params=["valkey", "redis6"])
def flavour(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def start(tmp_path: Path, flavour: str) -> Iterator[Start]:
    servers: list[RedisServer] = []

    def start(port: int | None = None, **config: str) -> RedisServer:
        server = RedisServer(port or free_port(), tmp_path, flavour, **config)
        servers.append(server)
        return server.start()

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def connected(settings: Settings, clock: Clock) -> Iterator[Callable[..., Connected]]:
    opened: list[Connected] = []

    def connected(url: str, *, allow_lossy: bool = False) -> Connected:
        opened.append(Connected(url, settings, clock, allow_lossy=allow_lossy))
        return opened[-1]

    yield connected
    for one in opened:
        one.__exit__()


def start_with(start: Start, setting: str, value: str) -> RedisServer:
    return start(**{setting.replace("-", "_"): value})


def command(server: RedisServer, *words: str) -> Any:
    with redis.Redis(port=server.port) as admin:
        return admin.execute_command(*words)


def mended(connected: Connected) -> None:
    def looked_well() -> bool:
        connected.monitor.check(connected.client)
        return connected.monitor.latest == Durability("durable")

    until(looked_well)


def not_durable(result: Result) -> str:
    document = problem(result, 503, "redis_not_durable")
    assert result.headers["Retry-After"] == "1"
    assert "TXN_ALLOW_LOSSY_REDIS=1" in document["detail"]
    detail: str = document["detail"]
    return detail


# --- settings


def test_a_server_with_our_own_configuration_is_durable(start: Start, connected: Callable[..., Connected]) -> None:
    one = connected(start().url)
    assert submit(one.api).status_code == 202
    assert one.monitor.latest == Durability("durable")
    assert one.api.simulate_get("/api/health").json["durability"] == "durable"


@LOSSY_PARAMETERS
def test_a_setting_that_can_lose_is_refused_and_the_command_that_is_named_mends_it(
    start: Start, connected: Callable[..., Connected], setting: str, value: str, needed: str
) -> None:
    server = start_with(start, setting, value)
    one = connected(server.url)
    detail = not_durable(submit(one.api, key="k"))
    assert f"{setting} is '{value}'" in detail
    named = re.search(r"run (CONFIG SET [a-z-]+ [a-z]+)", detail)
    assert named is not None
    assert named[1] == f"CONFIG SET {setting} {needed}"
    not_durable(submit(one.api, key="k"))
    health = one.api.simulate_get("/api/health")
    assert (health.status_code, health.json["status"], health.json["durability"]) == (503, "unhealthy", "lossy")
    assert named[1] in health.json["problems"][0]
    command(server, *named[1].split())
    mended(one)
    assert submit(one.api, key="k").status_code in (200, 202)
    assert submit(one.api, key="another").status_code == 202
    assert one.api.simulate_get("/api/health").status_code == 200


@LOSSY_PARAMETERS
def test_where_it_is_allowed_a_lossy_redis_is_used_and_health_says_so(
    start: Start, connected: Callable[..., Connected], setting: str, value: str, needed: str
) -> None:
    one = connected(start_with(start, setting, value).url, allow_lossy=True)
    assert submit(one.api).status_code == 202
    health = one.api.simulate_get("/api/health")
    assert (health.status_code, health.json["durability"]) == (200, "lossy")


def test_of_several_faults_each_is_named_in_its_turn(start: Start, connected: Callable[..., Connected]) -> None:
    server = start(
        appendonly="no", appendfsync="everysec", no_appendfsync_on_rewrite="yes", maxmemory_policy="allkeys-lru"
    )
    one = connected(server.url)
    repaired = []
    while (result := submit(one.api)).status_code == 503:
        named = re.search(r"run (CONFIG SET ([a-z-]+) [a-z]+)", result.json["detail"])
        if named is None:
            mended(one)
            continue
        assert named[2] not in repaired
        repaired.append(named[2])
        command(server, *named[1].split())
        one.monitor.check(one.client)
    assert sorted(repaired) == sorted({setting for setting, _, _ in LOSSY})


@pytest.mark.parametrize("scheduled", [False, True], ids=["in progress", "scheduled"])
def test_nothing_is_acknowledged_before_the_new_log_is_complete(
    start: Start, connected: Callable[..., Connected], scheduled: bool
) -> None:
    # Switched on, the log is first written from memory, or, while a snapshot is written, only scheduled; a crash before
    # the end of that leaves the old state on disk.
    server = start(appendonly="no")
    one = connected(server.url)
    not_durable(submit(one.api))
    with rewriting(server, scheduled, "CONFIG", "SET", "appendonly", "yes"):
        one.monitor.check(one.client)
        result = submit(one.api, with_id("a"))
    server.kill()
    start(server.port)
    one.monitor.check(one.client)
    kept = status(one.api, "a").status_code == 200
    assert kept or result.status_code == 503, "an acknowledged transaction was lost"


@contextlib.contextmanager
def rewriting(server: RedisServer, scheduled: bool, *begin: str) -> Iterator[redis.Redis]:
    """A rewrite of the log that does not end, or one that waits for a snapshot that does not."""
    with redis.Redis(port=server.port) as admin:
        admin.mset({f"filler{number}": "" for number in range(100)})
        admin.config_set("rdb-key-save-delay", 100_000)
        if scheduled:
            admin.bgsave()
        admin.execute_command(*begin or ["BGREWRITEAOF"])
        yield admin
        persistence = admin.info("persistence")
        wanted = (0, 1) if scheduled else (1, 0)
        assert (persistence["aof_rewrite_in_progress"], persistence["aof_rewrite_scheduled"]) == wanted


@pytest.mark.parametrize("scheduled", [False, True], ids=["in progress", "scheduled"])
def test_an_api_that_starts_while_a_complete_log_is_rewritten_accepts_and_what_it_accepts_is_kept(
    start: Start, connected: Callable[..., Connected], scheduled: bool
) -> None:
    server = start()
    one = connected(server.url)
    with rewriting(server, scheduled):
        assert submit(one.api, with_id("a")).status_code == 202
        assert connected(server.url).api.simulate_get("/readyz").status_code == 200
    server.kill()
    start(server.port)
    assert status(one.api, "a").status_code == 200


def test_a_log_that_was_complete_and_is_switched_off_and_on_is_not_complete(
    start: Start, connected: Callable[..., Connected]
) -> None:
    server = start()
    with redis.Redis(port=server.port) as admin:
        admin.mset({f"filler{number}": "" for number in range(100)})
        admin.config_set("rdb-key-save-delay", 100_000)
        admin.config_set("appendonly", "no")
        admin.config_set("appendonly", "yes")
        admin.set("another", "x")
        assert "being written" in not_durable(submit(connected(server.url).api))
        assert admin.info("persistence")["aof_rewrite_in_progress"] == 1


def test_that_it_was_durable_does_not_excuse_a_log_that_is_being_written(start: Start) -> None:
    server = start(appendonly="no")
    with redis.Redis(port=server.port) as admin, connect(server.url, timeout_ms=30_000) as client:
        admin.mset({f"filler{number}": "" for number in range(100)})
        admin.config_set("rdb-key-save-delay", 100_000)
        admin.config_set("appendonly", "yes")
        ask = asking(client, lambda _words, reply: reply)
        assert inspect(ask, Durability("durable", run="another")).level == "lossy"
        run_id = admin.info("server")["run_id"]
        assert inspect(ask, Durability("durable", run=run_id)).level == "lossy", "it was switched off and on since"


def test_who_may_not_ask_how_far_the_log_is_waits_for_the_end_of_the_rewrite(
    start: Start, connected: Callable[..., Connected], flavour: str
) -> None:
    server = start()
    if flavour == "redis6":  # it may not use the key that would have to be written for that
        rules = [
            "+@all",
            *(
                f"~*{key}"
                for key in ("t:*", "p:*", "due", "count", "minute:*", "posting", "accepted*", "expiring", "dramatiq:*")
            ),
        ]
    else:
        rules = ["+@all", "~*", "-waitaof"]
    command(server, "ACL", "SETUSER", "app", "on", ">hunter2", *rules)
    one = connected(f"redis://app:hunter2@127.0.0.1:{server.port}/0")
    with rewriting(server, scheduled=False):
        assert "being written" in not_durable(submit(one.api, with_id("a")))


# --- replicas


@pytest.mark.parametrize("read_only", ["yes", "no"])
def test_a_replica_is_refused_and_the_command_that_is_named_mends_it(
    start: Start, connected: Callable[..., Connected], read_only: str
) -> None:
    server = start(replica_read_only=read_only)
    command(server, "REPLICAOF", "127.0.0.1", str(free_port()))
    one = connected(server.url)
    assert submit(one.api, key="k").status_code == 503
    detail = not_durable(submit(one.api, key="k"))
    assert "replica" in detail
    assert "TXN_REDIS_URL" in detail
    named = re.search(r"run (REPLICAOF NO ONE)", detail)
    assert named is not None
    command(server, *named[1].split())
    mended(one)
    assert submit(one.api, key="k").status_code in (200, 202)


def test_a_replica_that_takes_writes_is_used_where_that_is_allowed(
    start: Start, connected: Callable[..., Connected]
) -> None:
    server = start(replica_read_only="no")
    command(server, "REPLICAOF", "127.0.0.1", str(free_port()))
    one = connected(server.url, allow_lossy=True)
    assert submit(one.api).status_code == 202
    assert one.api.simulate_get("/api/health").json["durability"] == "lossy"


# --- no right to look


@pytest.mark.parametrize(("denied", "allowed"), [("-config", "+config|get"), ("-info", "+info")])
def test_a_server_that_may_not_be_looked_at_is_refused_until_that_is_allowed(
    start: Start, connected: Callable[..., Connected], denied: str, allowed: str
) -> None:
    server = start()
    command(server, "ACL", "SETUSER", "app", "on", ">hunter2", "~*", "+@all", denied)
    one = connected(f"redis://app:hunter2@127.0.0.1:{server.port}/0")
    result = submit(one.api, key="k")
    detail = not_durable(result)
    assert "CONFIG GET" in detail
    assert "INFO" in detail
    assert "hunter2" not in result.text
    health = one.api.simulate_get("/api/health")
    assert (health.status_code, health.json["durability"]) == (503, "unknown")
    command(server, "ACL", "SETUSER", "app", allowed)
    mended(one)
    assert submit(one.api, key="k").status_code in (200, 202)


def test_a_server_that_may_not_be_looked_at_is_used_where_that_is_allowed(
    start: Start, connected: Callable[..., Connected]
) -> None:
    server = start()
    command(server, "ACL", "SETUSER", "app", "on", ">hunter2", "~*", "+@all", "-config")
    one = connected(f"redis://app:hunter2@127.0.0.1:{server.port}/0", allow_lossy=True)
    assert submit(one.api).status_code == 202
    health = one.api.simulate_get("/api/health")
    assert (health.status_code, health.json["durability"]) == (200, "unknown")


def asking(client: redis.Redis, change: Callable[[tuple[str, ...], list[bytes]], Any]) -> Ask:
    connection = client.connection_pool.get_connection()

    def ask(*words: str) -> Any:
        connection.send_command(*words)  # type: ignore[no-untyped-call]
        return change(words, connection.read_response())

    return ask


@pytest.mark.parametrize("hidden", sorted({setting for setting, _, _ in LOSSY} - {"maxmemory-policy"}))  # INFO has it
def test_a_server_that_does_not_tell_a_setting_is_unknown(start: Start, hidden: str) -> None:
    def without(_words: tuple[str, ...], reply: Any) -> Any:
        if isinstance(reply, list) and hidden.encode() in reply:
            place = reply.index(hidden.encode())
            return reply[:place] + reply[place + 2 :]
        return reply

    with connect(start().url, timeout_ms=30_000) as client:
        found = inspect(asking(client, without))
    assert found.level == "unknown"
    assert found.problem.startswith(f"the server does not report {hidden}: use one that does; or, ")


# --- a log that cannot be written


def limited(server: RedisServer) -> RedisServer:
    # A server that is told about a file that is too large instead of being killed for it.
    server._command = ["/bin/sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh", *server._command]
    return server


def limit_files(server: RedisServer, size: int) -> None:
    assert server.process is not None
    _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, hard))


def fill_disk(server: RedisServer, directory: Path) -> None:
    # Larger than the server's own log file, which has to stay writable.
    command(server, "SET", "filler", "x" * 200_000)
    limit_files(server, max(path.stat().st_size for path in directory.rglob("*.aof")))


@pytest.fixture
def limitable(tmp_path: Path, flavour: str) -> Iterator[Callable[..., RedisServer]]:
    if not hasattr(resource, "prlimit"):
        pytest.skip("no prlimit on this platform: the disk cannot be made full from outside")
    servers: list[RedisServer] = []

    def limitable(**config: str) -> RedisServer:
        servers.append(limited(RedisServer(free_port(), tmp_path, flavour, **config)))
        return servers[-1].start()

    yield limitable
    for server in servers:
        server.kill()


def test_what_cannot_be_logged_is_not_acknowledged_and_what_was_acknowledged_is_kept(
    limitable: Callable[..., RedisServer], connected: Callable[..., Connected], tmp_path: Path
) -> None:
    server = limitable()
    one = connected(server.url)
    assert submit(one.api, with_id("kept")).status_code == 202
    fill_disk(server, tmp_path)
    problem(submit(one.api, with_id("refused")), 503, "redis_unavailable")
    assert server.process is not None
    server.process.wait(60)
    server.start()
    assert status(one.api, "kept").status_code == 200
    assert status(one.api, "refused").status_code == 404
    assert submit(one.api, with_id("refused")).status_code == 202


def test_while_the_log_cannot_be_written_nothing_is_accepted_even_where_losses_are_allowed(
    limitable: Callable[..., RedisServer], connected: Callable[..., Connected], tmp_path: Path
) -> None:
    server = limitable(appendfsync="everysec")
    one = connected(server.url, allow_lossy=True)
    assert submit(one.api).status_code == 202
    fill_disk(server, tmp_path)

    def refused() -> bool:
        return submit(one.api).status_code == 503

    until(refused)
    document = problem(submit(one.api), 503, "redis_unavailable")
    assert "MISCONF" in document["detail"]
    limit_files(server, resource.RLIM_INFINITY)
    until(lambda: submit(one.api).status_code == 202)


def test_nothing_is_acknowledged_when_the_new_log_cannot_be_written_at_all(
    limitable: Callable[..., RedisServer], connected: Callable[..., Connected]
) -> None:
    server = limitable(appendonly="no")
    one = connected(server.url)
    not_durable(submit(one.api))
    with redis.Redis(port=server.port) as admin:
        admin.set("filler", "x" * 200_000)
        admin.config_set("rdbcompression", "no")
        limit_files(server, 100_000)
        admin.config_set("appendonly", "yes")
        until(lambda: admin.info("persistence")["aof_last_bgrewrite_status"] == "err")
        results = []
        for _ in range(100):
            one.monitor.check(one.client)
            results.append(submit(one.api).status_code)
    assert 202 not in results


def test_a_failed_write_of_the_log_is_lossy_and_says_what_to_do(
    limitable: Callable[..., RedisServer], tmp_path: Path
) -> None:
    # A server that syncs always exits at once; this one stays, and is asked as if it did sync always.
    def always(_words: tuple[str, ...], reply: Any) -> Any:
        return [b"always" if item == b"everysec" else item for item in reply] if isinstance(reply, list) else reply

    server = limitable(appendfsync="everysec")
    with connect(server.url, timeout_ms=30_000) as client:
        ask = asking(client, always)
        assert inspect(ask) == Durability("durable")
        fill_disk(server, tmp_path)
        client.set("more", "x")
        found = inspect(ask)
        assert found.level == "lossy"
        assert "append-only file" in found.problem
        assert "disk" in found.problem
        limit_files(server, resource.RLIM_INFINITY)
        until(lambda: inspect(ask) == Durability("durable"))


# --- memory


def test_a_full_redis_accepts_nothing_and_is_unhealthy(start: Start, connected: Callable[..., Connected]) -> None:
    server = start()
    one = connected(server.url)
    assert submit(one.api, key="k").status_code == 202
    command(server, "CONFIG", "SET", "maxmemory", "1")
    problem(submit(one.api, key="another"), 503, "redis_unavailable")
    one.monitor.check(one.client)
    health = one.api.simulate_get("/api/health")
    assert (health.status_code, health.json["status"]) == (503, "unhealthy")
    command(server, "CONFIG", "SET", "maxmemory", "0")
    one.monitor.check(one.client)
    assert submit(one.api, key="another").status_code == 202


def test_a_redis_that_could_not_save_takes_no_writes_and_that_is_known_until_it_could(
    start: Start, connected: Callable[..., Connected], flavour: str, tmp_path: Path
) -> None:
    server = start(**({"enable_protected_configs": "yes"} if flavour == "valkey" else {}))
    one, gone = connected(server.url), tmp_path / "gone"
    gone.mkdir()
    command(server, "CONFIG", "SET", "dir", str(gone))
    command(server, "CONFIG", "SET", "save", "3600 1000000")
    gone.rmdir()
    with redis.Redis(port=server.port) as admin:
        admin.bgsave()
        until(lambda: admin.info("persistence")["rdb_last_bgsave_status"] == "err")
    one.monitor.check(one.client)
    assert one.api.simulate_get("/readyz").status_code == 503
    assert "could not save" in problem(submit(one.api), 503, "redis_unavailable")["detail"]
    command(server, "CONFIG", "SET", "stop-writes-on-bgsave-error", "no")
    one.monitor.check(one.client)
    assert submit(one.api).status_code == 202
    command(server, "CONFIG", "SET", "stop-writes-on-bgsave-error", "yes")
    command(server, "CONFIG", "SET", "dir", str(tmp_path))
    command(server, "SAVE")
    one.monitor.check(one.client)
    assert submit(one.api).status_code == 202


def test_a_redis_that_is_loading_is_not_waited_for(connected: Callable[..., Connected], tmp_path: Path) -> None:
    server = RedisServer(free_port(), tmp_path, loading_process_events_interval_bytes="1024").start()
    one = connected(server.url)
    assert submit(one.api).status_code == 202
    with redis.Redis(port=server.port) as admin:
        admin.mset({f"filler{number}": "x" * 100 for number in range(5_000)})
        admin.bgrewriteaof()
        until(lambda: not admin.info("persistence")["aof_rewrite_in_progress"])
        server.kill()
        line = [*server._command, "--key-load-delay", "10000"]
        server.process = subprocess.Popen(line, stdout=subprocess.DEVNULL, start_new_session=True)
        until(lambda: is_loading(admin) is True)
        one.monitor.check(one.client)
        assert "still reading its data" in problem(submit(one.api), 503, "redis_unavailable")["detail"]
        admin.config_set("key-load-delay", 0)
        until(lambda: is_loading(admin) is False)
    one.monitor.check(one.client)
    assert submit(one.api).status_code == 202
    server.kill()


def is_loading(admin: redis.Redis) -> bool | None:
    """None: it does not answer."""
    try:
        return bool(admin.info("persistence")["loading"])
    except redis.RedisError:
        return None


# --- when it is looked


def test_after_a_restart_with_other_settings_the_very_first_accept_is_refused(
    start: Start, connected: Callable[..., Connected]
) -> None:
    server = start()
    one = connected(server.url)
    assert submit(one.api).status_code == 202
    server.stop()
    worse = start(server.port, appendfsync="everysec")
    assert "appendfsync" in not_durable(submit(one.api))
    worse.stop()
    start(server.port)
    mended(one)
    assert submit(one.api).status_code == 202


def test_the_very_first_accept_of_a_process_is_refused(start: Start, connected: Callable[..., Connected]) -> None:
    server = start(appendonly="no")
    for _ in range(3):
        not_durable(submit(connected(server.url).api))


def test_a_setting_that_changes_under_way_is_noticed_by_the_next_look(
    start: Start, connected: Callable[..., Connected]
) -> None:
    server = start()
    one = connected(server.url)
    assert submit(one.api).status_code == 202
    thread = one.monitor.watch(one.probe, every_s=0.01)
    command(server, "CONFIG", "SET", "appendfsync", "everysec")
    # The ping gives the watching thread its turn: a refusal alone never waits for anything.
    until(lambda: command(server, "PING") and submit(one.api).status_code == 503)
    command(server, "CONFIG", "SET", "appendfsync", "always")
    until(lambda: command(server, "PING") and submit(one.api).status_code == 202)
    one.monitor.stop()
    thread.join(30)
    assert not thread.is_alive()


def test_a_server_that_does_not_answer_changes_nothing_and_does_not_end_the_watch(
    start: Start, connected: Callable[..., Connected]
) -> None:
    server = start()
    one = connected(server.url)
    one.monitor.check(one.client)
    thread = one.monitor.watch(one.probe, every_s=0.01)
    server.kill()
    one.monitor.check(one.client)
    assert one.monitor.latest == Durability("durable")
    assert one.api.simulate_get("/api/health").status_code == 503
    start(server.port, appendfsync="everysec")
    until(lambda: one.monitor.latest is not None and one.monitor.latest.level == "lossy")
    assert thread.is_alive()
    one.monitor.stop()
    thread.join(30)


def test_an_error_that_nobody_has_foreseen_neither_ends_the_watch_nor_lets_the_last_verdict_stand(
    start: Start, connected: Callable[..., Connected]
) -> None:
    server = start()
    command(server, "ACL", "SETUSER", "limited", "on", ">secret", "~*", "+@all", "-select")
    one = connected(f"redis://limited:secret@127.0.0.1:{server.port}/1")
    one.monitor.latest = Durability("durable")
    thread = one.monitor.watch(one.probe, every_s=0.01)
    until(lambda: one.monitor.latest is not None and one.monitor.latest.level == "unknown")
    assert "SELECT" in str(one.monitor.latest).upper()
    assert "check TXN_REDIS_URL and its user" in str(one.monitor.latest)
    command(server, "ACL", "SETUSER", "limited", "+select")
    until(lambda: one.monitor.latest is not None and one.monitor.latest.level == "durable")
    one.monitor.stop()
    thread.join(30)
    assert not thread.is_alive()


def test_before_the_first_look_there_is_nothing_to_say_against_a_server() -> None:
    monitor = DurabilityMonitor(allow_lossy=False)
    monitor.require()
    monitor.latest = Durability("unknown", "no right to look")
    with pytest.raises(NotDurable, match="no right to look"):
        monitor.require()


def test_looking_leaves_the_connection_usable(start: Start) -> None:
    with connect(start().url, timeout_ms=30_000, on_connect=DurabilityMonitor(allow_lossy=False).on_connect) as client:
        client.set("a", "1")
        assert client.get("a") == b"1"
        assert client.info("clients")["connected_clients"] == 1
