import re
from pathlib import Path

import pytest

import txn.store
from tests.parts import Parts
from txn.errors import StoreUnavailable
from txn.store.connection import connect
from txn.store.rights import Rights

LUA = Path(txn.store.__file__).with_name("lua")


def called(path: Path) -> set[str]:
    return set(re.findall(r"redis\.p?call\(\s*'([A-Z]+)'", path.read_text()))


def test_whatever_a_script_calls_is_tried() -> None:
    tried = set(re.findall(r"\{ '([A-Z]+)'", (LUA / "rights.lua").read_text()))
    assert set().union(*(called(path) for path in LUA.glob("*.lua"))) <= tried


@pytest.fixture
def user(parts: Parts) -> str:
    parts.client.execute_command(
        "ACL", "SETUSER", "app", "reset", "on", ">s3cret", f"~{parts.settings.prefix}*", "+@all"
    )
    return "app"


@pytest.fixture
def rights(parts: Parts, user: str) -> Rights:
    port = parts.client.connection_pool.connection_kwargs["port"]
    return Rights(connect(f"redis://{user}:s3cret@127.0.0.1:{port}/0", timeout_ms=2_000), parts.keys)


def change(parts: Parts, *rules: str) -> None:
    parts.client.execute_command("ACL", "SETUSER", "app", *rules)


def test_with_every_right_on_our_keys_nothing_is_missing_and_nothing_is_left(rights: Rights, parts: Parts) -> None:
    assert rights.missing() == []
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
    assert rights.missing() == [name.upper()]


def test_without_the_right_to_run_scripts_it_says_so(rights: Rights, parts: Parts) -> None:
    change(parts, "-@scripting")
    with pytest.raises(StoreUnavailable, match="permission"):
        rights.missing()


def test_keys_that_are_not_allowed_are_as_bad(rights: Rights, parts: Parts) -> None:
    change(parts, "resetkeys", "~other:*")
    with pytest.raises(StoreUnavailable, match="permission"):
        rights.missing()


def test_a_redis_that_goes_away_is_no_right_that_is_missing(parts: Parts) -> None:
    with connect("redis://127.0.0.1:1/0", timeout_ms=500) as client, pytest.raises(StoreUnavailable):
        Rights(client, parts.keys).missing()


def test_a_full_redis_is_no_right_that_is_missing(rights: Rights, parts: Parts) -> None:
    parts.client.config_set("maxmemory", 1)
    try:
        assert rights.missing() == []
    finally:
        parts.client.config_set("maxmemory", 0)
