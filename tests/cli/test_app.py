from pathlib import Path

import pytest

from tests.cli.terminal import Commands
from tests.parts import BODY, Parts
from txn.cli.app import app

COMMANDS = [
    "status",
    "show",
    "look",
    "list",
    "failed",
    "replay",
    "discard",
    "pause",
    "resume",
    "limit",
    "submit",
    "doctor",
    "divide",
    "audit",
    "hash-password",
    "runs",
    "journal",
    "events",
    "workers",
    "completion",
]
READING = [
    ("status",),
    ("status", "--json"),
    ("show", "a"),
    ("look", "a"),
    ("list",),
    ("failed",),
    ("failed", "--json"),
    ("runs",),
    ("journal",),
    ("events",),
    ("workers",),
]
CHANGING = [
    ("replay", "a", "--yes"),
    ("replay", "--all", "--yes"),
    ("discard", "a", "--why", "x", "--yes"),
    ("pause", "--why", "x"),
    ("resume",),
    ("run", "stop", "a"),
    ("audit",),
]


@pytest.mark.parametrize("arguments", READING + CHANGING)
@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"TXN_REDIS_URL": "redis://127.0.0.1:1/0"}, "Redis cannot be reached: nothing listens there"),
        ({"TXN_LEASE_MS": "1"}, "TXN_LEASE_MS=1 is too short"),
    ],
    ids=["without Redis", "a wrong setting"],
)
def test_a_command_that_cannot_work_says_why_in_one_sentence(
    txn: Commands, arguments: tuple[str, ...], setting: dict[str, str], said: str
) -> None:
    done = txn(*arguments, **setting)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"txn {arguments[0]}: {said}")
    assert done.err.count("\n") == 1


def test_as_a_process_it_ends_the_same_way(txn: Commands) -> None:
    done = txn.run("status", TXN_REDIS_URL="redis://user:s3cret@127.0.0.1:1/0")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("txn status: Redis cannot be reached: nothing listens there")


@pytest.mark.parametrize("name", [*COMMANDS])
def test_help_shows_an_example(txn: Commands, name: str) -> None:
    done = txn(name, "--help")
    assert done.code == 0
    assert f"txn {name}" in done.out.replace(f"Usage: txn {name}", "")


def test_every_command_is_known_to_these_tests(txn: Commands) -> None:
    assert [command.name for command in app.registered_commands] == COMMANDS


def test_help_says_what_exit_codes_mean(txn: Commands) -> None:
    found = txn("--help").out
    assert all(f"{code} " in found.partition("Exit codes")[2] for code in (0, 1, 2, 130))


def test_what_nobody_has_foreseen_is_no_answer(txn: Commands, parts: Parts) -> None:
    parts.client.set(parts.keys.count, "not a hash")
    done = txn.run("status")
    assert done.code == 2
    assert "WRONGTYPE" in done.err


def test_ctrl_c_while_it_is_still_starting_leaves_no_traceback(txn: Commands, tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("import time\nprint('importing', flush=True)\nwhile True: time.sleep(0.01)\n")
    with txn.at_terminal("status", PYTHONPATH=str(tmp_path)) as terminal:
        terminal.until("importing")
        terminal.interrupt()
        assert terminal.ends() == 130
    assert "Traceback" not in terminal.seen


def test_a_terminal_that_knows_only_ascii_is_told_what_it_can_show(txn: Commands, parts: Parts) -> None:
    parts.fail("a", detail="größer")
    for command in ("status", "failed"):
        done = txn.run(command, PYTHONIOENCODING="ascii")
        assert (done.code in (0, 1), done.err) == (True, "")
        assert "failed" in done.out


def test_json_holds_nothing_that_a_terminal_could_take_for_a_command(txn: Commands, parts: Parts) -> None:
    name = parts.fail(body=BODY.replace(b"Payment", "\x9b2J \u202e \u00e9".encode()), detail="\x9b \u202e")
    for arguments in (("show", name, "--json"), ("failed", "--json")):
        done = txn(*arguments)
        assert done.out.isascii()
    assert txn("show", name, "--json").json["content"]["description"] == "\x9b2J \u202e \u00e9"


def test_a_password_that_is_too_short_is_one_sentence_and_2(txn: Commands) -> None:
    done = txn("hash-password")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("txn hash-password: the password must have 8 to ")
