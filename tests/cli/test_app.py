import pytest

from tests.cli.terminal import Commands
from tests.parts import Parts

READING = [("status",), ("status", "--json"), ("show", "a"), ("failed",), ("failed", "--json")]
CHANGING = [
    ("replay", "a", "--yes"),
    ("replay", "--all", "--yes"),
    ("discard", "a", "--why", "x", "--yes"),
    ("audit",),
]


@pytest.mark.parametrize("arguments", READING + CHANGING)
def test_without_redis_a_command_says_so_in_one_sentence(txn: Commands, arguments: tuple[str, ...]) -> None:
    done = txn(*arguments, TXN_REDIS_URL="redis://127.0.0.1:1/0")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"txn {arguments[0]}: Redis cannot be reached")
    assert done.err.count("\n") == 1
    # Whether an answer was lost, or nothing was sent, nobody knows here.
    assert ("look before you repeat it" in done.err) == (arguments[1:2] == ("a",) and arguments[0] != "show")


@pytest.mark.parametrize("arguments", READING + CHANGING)
def test_a_setting_that_is_wrong_is_named(txn: Commands, arguments: tuple[str, ...]) -> None:
    done = txn(*arguments, TXN_LEASE_MS="1")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"txn {arguments[0]}: TXN_LEASE_MS=1 is too short")
    assert done.err.count("\n") == 1


def test_as_a_process_it_ends_the_same_way(txn: Commands) -> None:
    done = txn.run("status", TXN_REDIS_URL="redis://user:s3cret@127.0.0.1:1/0")
    assert (done.code, done.out, done.err) == (2, "", "txn status: Redis cannot be reached\n")


@pytest.mark.parametrize("name", ["status", "show", "failed", "replay", "discard", "submit"])
def test_help_shows_an_example(txn: Commands, name: str) -> None:
    done = txn(name, "--help")
    assert done.code == 0
    assert f"txn {name}" in done.out.replace(f"Usage: txn {name}", "")


def test_help_says_what_exit_codes_mean(txn: Commands) -> None:
    found = txn("--help").out
    assert all(f"{code} " in found.partition("Exit codes")[2] for code in (0, 1, 2, 130))


def test_what_nobody_has_foreseen_is_no_answer(txn: Commands, parts: Parts) -> None:
    parts.client.set(parts.keys.count, "not a hash")
    done = txn.run("status")
    assert done.code == 2
    assert "WRONGTYPE" in done.err
