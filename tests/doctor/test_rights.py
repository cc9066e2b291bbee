import re
from pathlib import Path

import pytest

import txn.store
from tests.parts import Parts
from txn.errors import StoreUnavailable
from txn.store.connection import connect
from txn.store.database import Database
from txn.store.rights import NEEDED, Refused, Rights, RightsMonitor, Role

LUA = Path(txn.store.__file__).with_name("lua")


#: What an API process runs but for its operators' pages, and what a worker runs.
SCRIPTS = {
    "api": ("accept", "changes", "intake", "listing", "statistics"),
    "worker": (
        *("claim", "settle", "due", "fetch", "requeue", "heartbeat", "push", "statistics", "sweep"),
        "oldest",
        "notice",
        "bulk",
    ),
}


def called(text: str) -> set[str]:
    return set(re.findall(r"redis\.p?call(?:\(|,)\s*'([A-Z]+)'", text))


def helpers() -> dict[str, str]:
    """The functions that scripts share, by name."""
    text = "".join((LUA / f"{shared}.lua").read_text() for shared in ("prelude", "breaker"))
    parts = re.split(r"^local function (\w+)", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def called_in_all(text: str) -> set[str]:
    """What a script calls itself, and in what it uses of the prelude."""
    found, todo, known = called(text), [text], helpers()
    while todo:
        for name in set(re.findall(r"\w+", todo.pop())) & set(known):
            body = known.pop(name)
            found |= called(body)
            todo.append(body)
    return found


def test_whatever_a_script_calls_is_tried() -> None:
    tried = set(re.findall(r"\{ '([A-Z]+)'", (LUA / "rights.lua").read_text()))
    assert set().union(*(called(path.read_text()) for path in LUA.glob("*.lua"))) <= tried


@pytest.mark.parametrize("role", ["api", "worker"])
def test_whatever_the_scripts_of_a_process_call_it_needs(role: Role) -> None:
    needed = set().union(*(called_in_all((LUA / f"{name}.lua").read_text()) for name in SCRIPTS[role]))
    beside = {
        "api": {"DEL", "MULTI", "HGETALL", "HINCRBY", "RPOP", "XREAD"},
        "worker": {"MULTI", "HGETALL", "EXISTS", "ZRANGE"},
    }[role]
    assert NEEDED[role] - beside <= needed <= NEEDED[role]


@pytest.fixture
def user(parts: Parts) -> str:
    parts.client.execute_command(
        "ACL", "SETUSER", "app", "reset", "on", ">s3cret", f"~{parts.settings.prefix}*", "+@all"
    )
    return "app"


@pytest.fixture
def rights(parts: Parts, user: str) -> Rights:
    port = parts.client.connection_pool.connection_kwargs["port"]
    client = connect(f"redis://{user}:s3cret@127.0.0.1:{port}/0", timeout_ms=30_000)
    return Rights(Database(client, parts.keys))


def change(parts: Parts, *rules: str) -> None:
    parts.client.execute_command("ACL", "SETUSER", "app", *rules)


def test_with_every_right_on_our_keys_nothing_is_missing_and_nothing_is_left(rights: Rights, parts: Parts) -> None:
    assert rights.look() == Refused()
    assert parts.client.keys(f"{parts.settings.prefix}doctor*") == []


@pytest.mark.parametrize(
    "name",
    [
        *("hincrby", "zadd", "zrevrange", "xadd", "del", "time"),
        *("scan", "unlink", "lrange", "xrevrange", "zrevrangebyscore", "multi"),
    ],
)
def test_a_command_that_is_not_allowed_is_missing(rights: Rights, parts: Parts, name: str) -> None:
    change(parts, f"-{name}")
    assert rights.look() == Refused((name.upper(),))


def test_without_the_right_to_run_scripts_it_says_so(rights: Rights, parts: Parts) -> None:
    change(parts, "-@scripting")
    with pytest.raises(StoreUnavailable, match="permission"):
        rights.look()


def test_keys_that_are_not_allowed_are_as_bad(rights: Rights, parts: Parts) -> None:
    change(parts, "resetkeys", "~other:*")
    with pytest.raises(StoreUnavailable, match="permission"):
        rights.look()


def test_a_redis_that_goes_away_is_no_right_that_is_missing(parts: Parts) -> None:
    with connect("redis://127.0.0.1:1/0", timeout_ms=500) as client, pytest.raises(StoreUnavailable):
        Rights(Database(client, parts.keys)).look()


def test_a_full_redis_is_no_right_that_is_missing(rights: Rights, parts: Parts) -> None:
    parts.client.config_set("maxmemory", 1)
    try:
        assert rights.look() == Refused()
    finally:
        parts.client.config_set("maxmemory", 0)


@pytest.mark.parametrize("key", ["due", "t:*", "p:*", "dramatiq:deliver", "minute:*", "count"])
def test_a_key_that_may_not_be_used_is_named(rights: Rights, parts: Parts, key: str) -> None:
    names = [
        "t:*",
        "p:*",
        "due",
        "outage",
        "count",
        "minute:*",
        "posting",
        "timings",
        "dramatiq:*",
        "doctor*",
        "changes",
        "accepted*",
    ]
    if key == "dramatiq:deliver":
        names = [name for name in names if name != "dramatiq:*"] + ["dramatiq:deliver.msgs", "dramatiq:__*"]
    names = [name for name in names if name != key]
    change(parts, "resetkeys", *(f"~{parts.settings.prefix}{name}" for name in names))
    [named] = rights.look("api").keys
    assert named.startswith(f"{parts.settings.prefix}{key.rstrip('*')}")


def test_a_key_that_holds_something_else_is_named_with_what_it_holds(rights: Rights, parts: Parts) -> None:
    parts.client.set(parts.keys.due, "text")
    parts.client.rpush(parts.keys.count, "a")
    refused = rights.look("worker")
    assert sorted(refused.wrong) == sorted([(parts.keys.due, "string"), (parts.keys.count, "list")])
    assert any(f"{parts.keys.due} is a string" in sentence for sentence in refused.sentences())


def test_a_process_is_not_held_up_by_what_only_another_kind_needs(rights: Rights, parts: Parts) -> None:
    change(parts, "-lpop", "-zrem")
    assert rights.look("api") == Refused()
    assert rights.look("worker").commands == ("LPOP", "ZREM")


def test_a_monitor_says_what_is_missing_until_it_is_there(rights: Rights, parts: Parts) -> None:
    monitor = RightsMonitor(rights, "worker")
    change(parts, "-hset")
    often = monitor.beat()
    assert "may not run HSET" in monitor.problem
    change(parts, "-@scripting")
    monitor.beat()
    assert monitor.problem
    change(parts, "+@all")
    assert monitor.beat() > often
    assert monitor.problem == ""


def test_a_redis_that_is_away_does_not_change_what_is_known(rights: Rights, parts: Parts) -> None:
    monitor = RightsMonitor(rights, "worker")
    change(parts, "-zadd")
    monitor.beat()
    monitor._rights = Rights(Database(connect("redis://127.0.0.1:1/0", timeout_ms=200), parts.keys))
    with pytest.raises(StoreUnavailable):
        monitor.beat()
    assert "ZADD" in monitor.problem
