import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cli.terminal import Commands
from txn.api_keys import Caller, KeyRing, Role


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def txn(path: Path) -> Commands:
    return Commands({"TXN_API_KEYS_FILE": str(path)})


def ring(path: Path) -> KeyRing:
    return KeyRing.parse(path.read_text(), "file")


def test_a_key_is_made_shown_once_listed_and_revoked(txn: Commands, path: Path) -> None:
    done = txn("keys", "create", "shop")
    token = done.out.strip()
    assert (done.code, token[:4], token in done.err) == (0, "txn_", False)
    assert ring(path).find(token) == Caller("shop", frozenset({Role.SUBMIT, Role.READ}))
    assert token not in path.read_text()
    [shown] = txn("keys", "list", "--json").json
    assert (shown["client"], shown["roles"]) == ("shop", ["read", "submit"])
    assert shown["id"] in txn("keys", "list").out
    assert txn("keys", "revoke", shown["id"], "--yes").code == 0
    assert ring(path).find(token) is None


def test_roles_can_be_chosen(txn: Commands, path: Path) -> None:
    token = txn("keys", "create", "ops", "--role", "operate", "--role", "read").out.strip()
    assert ring(path).find(token) == Caller("ops", frozenset({Role.OPERATE, Role.READ}))
    assert txn("keys", "create", "ops", "--role", "root").code == 2


def test_the_default_client_is_the_one_without_a_name(txn: Commands, path: Path) -> None:
    found = ring(path) if path.exists() else None
    assert found is None
    token = txn("keys", "create", "default").out.strip()
    caller = ring(path).find(token)
    assert caller is not None
    assert caller.client == ""


def test_what_else_is_in_the_file_stays(txn: Commands, path: Path) -> None:
    path.write_text("# the shop's, until May")
    path.chmod(0o600)
    for name in ("shop", "shop", "rival"):
        assert txn("keys", "create", name).code == 0
    first, *_ = txn("keys", "list", "--json").json
    assert txn("keys", "revoke", first["id"], "--yes").code == 0
    assert path.read_text().startswith("# the shop's, until May\nshop:")
    assert [one["client"] for one in txn("keys", "list", "--json").json] == ["shop", "rival"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_stays_a_link(txn: Commands, path: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.touch()
    path.symlink_to(target)
    assert txn("keys", "create", "shop").code == 0
    assert path.is_symlink()
    assert len(ring(target).keys) == 1


def test_keys_that_are_made_at_once_are_all_there(txn: Commands, path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda number: txn.run("keys", "create", f"client-{number}"), range(4)))
    assert [one.code for one in done] == [0] * 4
    assert len(ring(path).keys) == 4


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["create", "a b"], 2, "name"),
        (["create", "shop", "--file", "/nowhere/keys"], 2, "cannot be written"),
        (["list"], 1, "txn keys create"),
        (["revoke", "0123", "--yes"], 1, "txn keys create"),
    ],
)
def test_what_cannot_be_done_is_said(txn: Commands, path: Path, arguments: list[str], code: int, said: str) -> None:
    done = txn("keys", *arguments)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert not path.exists()


def test_a_key_that_is_not_there_is_not_revoked_and_a_revoke_is_asked_for(txn: Commands, path: Path) -> None:
    txn("keys", "create", "shop")
    before = path.read_text()
    assert "txn keys list" in txn("keys", "revoke", "0123", "--yes").err
    assert "--yes" in txn("keys", "revoke", ring(path).keys[0].id).err
    assert path.read_text() == before


def test_a_file_that_is_none_is_not_touched(txn: Commands, path: Path) -> None:
    path.write_text("something else\n")
    assert txn("keys", "create", "shop").code == 2
    assert path.read_text() == "something else\n"


def test_without_a_file_it_says_what_to_set() -> None:
    assert "TXN_API_KEYS_FILE" in Commands({})("keys", "list").err
