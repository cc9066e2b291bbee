import json

import pytest

from tests.cli.terminal import Commands
from tests.parts import BODY, Parts
from tests.store.test_listing import accept


def ids(txn: Commands, *options: str) -> list[str]:
    lines = txn("list", "--json", *options).out.splitlines()
    return [json.loads(line)["transactionId"] for line in lines]


def test_without_any_it_says_so(txn: Commands) -> None:
    assert txn("list").out == "No transaction matches.\n"
    assert ids(txn) == []


def test_they_are_listed_the_newest_first_with_what_became_of_them(txn: Commands, parts: Parts) -> None:
    accept(parts, "first")
    parts.fail("second", detail="POST: answered 400")
    done = txn("list")
    assert done.code == 0
    assert done.out.index("second") < done.out.index("first")
    assert "rejected: POST: answered 400" in done.out
    assert txn("list", "--limit", "1").out.endswith("The newest 1; --limit shows more\n")


def test_every_option_chooses(txn: Commands, parts: Parts) -> None:
    accept(parts, "a")
    accept(parts, "shops", "shop")
    parts.fail("bad", body=BODY.replace(b"USD", b"EUR"))
    assert sorted(ids(txn)) == ["a", "bad", "shops"]
    assert ids(txn, "--status", "failed") == ids(txn, "--code", "rejected") == ids(txn, "--currency", "EUR") == ["bad"]
    assert ids(txn, "--client", "shop") == ["shops"]
    assert sorted(ids(txn, "--client", "default")) == ["a", "bad"]
    assert len(ids(txn, "--since", "2h")) == 3
    assert ids(txn, "--until", "2h") == []
    assert len(ids(txn, "--limit", "2")) == 2


@pytest.mark.parametrize("options", [("--status", "done"), ("--code", "x"), ("--currency", "usd"), ("--since", "soon")])
def test_a_wrong_option_is_named(txn: Commands, options: tuple[str, str]) -> None:
    done = txn("list", *options)
    assert done.code == 2
    assert done.err.startswith(f"txn list: {options[0]} {options[1]}: ")


def test_what_cannot_be_read_is_named(txn: Commands, parts: Parts) -> None:
    accept(parts, "newer")
    parts.client.hset(parts.keys.record("newer"), "status", "archived")
    assert txn("list").err == "1 cannot be read by this version, and are left out: newer\n"
