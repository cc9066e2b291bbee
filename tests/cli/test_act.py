import getpass
import os
import threading
import time
from collections.abc import Iterator

import pytest

from tests.cli.terminal import Commands
from tests.parts import Parts
from txn.cli import follow
from txn.model.transaction import ErrorCode
from txn.operate.bulk_runner import BulkRunner
from txn.readers.statistics import ALIVE_MS, Statistics, StatisticsReader


@pytest.fixture
def runner(parts: Parts) -> Iterator[None]:
    """A worker's bulk runner and its heartbeat, without its deliveries."""
    stop, one = threading.Event(), BulkRunner(parts.runs, parts.letters, "h:1")

    def run() -> None:
        while not stop.wait(0.05):
            parts.messages("one").heartbeat()
            one.tick()

    thread = threading.Thread(target=run)
    thread.start()
    yield
    stop.set()
    thread.join()


def test_one_is_replayed_and_the_journal_knows_by_whom_and_why(txn: Commands, parts: Parts) -> None:
    parts.fail("a")
    done = txn("replay", "a", "--yes", "--as", "ann", "--why", "limit raised")
    assert (done.code, done.out) == (0, "1 transaction replayed.\n")
    assert parts.status("a") == "pending"
    [entry] = parts.journal.read()
    assert (entry.by, entry.what, entry.why, entry.ids) == ("ann", "replay", "limit raised", ["a"])


def test_without_a_name_it_is_the_user_of_the_machine(txn: Commands, parts: Parts) -> None:
    parts.fail("a")
    txn("discard", "a", "--yes", "--why", "paid by hand")
    [entry] = parts.journal.read()
    assert (entry.by, entry.what) == (getpass.getuser(), "discard")
    assert parts.status("a") == "failed"
    assert parts.letters.totals()[ErrorCode.REJECTED] == 0


def test_a_machine_that_has_no_name_for_the_user_wants_one(
    txn: Commands, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts.fail("a")
    monkeypatch.setattr(os, "getuid", lambda: 2**30)
    nobody = dict.fromkeys(("LOGNAME", "USER", "LNAME", "USERNAME"), "")
    done = txn("replay", "a", "--yes", **nobody)
    assert (done.code, done.out) == (2, "")
    assert done.err == "txn replay: your user name is not known: give a name with --as\n"
    assert txn("replay", "a", "--yes", "--as", "ann", **nobody).code == 0


def test_what_was_left_alone_is_named_and_the_exit_code_is_1(txn: Commands, parts: Parts) -> None:
    parts.fail("a")
    parts.accept("fine")
    done = txn("replay", "a", "fine", "nobody", "--yes")
    assert done.code == 1
    assert done.out.splitlines() == [
        "1 transaction replayed.",
        "fine: not failed, skipped",
        "nobody: no transaction has this id",
    ]
    found = txn("replay", "fine", "nobody", "--yes", "--json")
    assert (found.code, found.json) == (1, {"replayed": [], "notFailed": ["fine"], "unknown": ["nobody"]})


@pytest.mark.parametrize("command", [("replay",), ("replay", "--json"), ("discard", "--why", "x", "--json")])
def test_without_a_worker_a_run_waits_and_the_command_says_so_and_ends(
    txn: Commands, parts: Parts, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setattr(follow, "PATIENCE_S", 0.5)
    parts.fail("a")
    done = txn(*command, "--all", "--yes")
    assert (done.code, done.out) == (2, "")
    said, sentence = done.err.splitlines()
    assert said.startswith("No worker is alive")
    [run_id] = parts.runs.active()
    assert f"txn {command[0]}: no worker is alive, so run {run_id} waits" in sentence
    assert BulkRunner(parts.runs, parts.letters, "h:1").tick()
    assert parts.runs.read(run_id).state == "done"


def test_a_worker_that_comes_in_time_moves_it_on(txn: Commands, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = list[int]()

    def start_one(self: StatisticsReader) -> Statistics:
        looks.append(1)
        if len(looks) > 2:
            parts.messages("one").heartbeat()
            BulkRunner(parts.runs, parts.letters, "h:1").tick()
        return read(self)

    read = StatisticsReader.read
    monkeypatch.setattr(StatisticsReader, "read", start_one)
    parts.fail("a")
    done = txn("replay", "--all", "--yes", "--json")
    assert (done.code, done.json["done"]) == (0, 1)
    assert done.err.count("No worker is alive") == 1


def test_workers_that_die_while_a_run_goes_on_are_missed(
    txn: Commands, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "PATIENCE_S", 0.5)
    parts.fail("a")
    parts.messages("one").heartbeat()
    parts.client.zadd(parts.keys.heartbeats, {"one": parts.read_statistics().now_ms - ALIVE_MS + 300})
    done = txn("replay", "--all", "--yes", "--json")
    assert done.code == 2
    assert "No worker is alive" in done.err


@pytest.mark.parametrize("which", [("a",), ("--all",)])
def test_without_a_terminal_and_without_yes_nothing_is_done(
    txn: Commands, parts: Parts, which: tuple[str, ...]
) -> None:
    parts.fail("a")
    for arguments in (("replay", *which), ("discard", *which, "--why", "x")):
        done = txn.run(*arguments)
        assert (done.code, done.out) == (2, "")
        assert "--yes" in done.err
    assert (parts.status("a"), parts.journal.read(), parts.runs.recent()) == ("failed", [], [])


@pytest.mark.parametrize(("answer", "code", "status"), [("n", 1, "failed"), ("", 1, "failed"), ("y", 0, "pending")])
def test_at_a_terminal_it_asks_first(txn: Commands, parts: Parts, answer: str, code: int, status: str) -> None:
    parts.fail("a")
    with txn.at_terminal("replay", "a") as terminal:
        terminal.until("Replay 1 transaction?")
        assert parts.status("a") == "failed"
        terminal.type(f"{answer}\n")
        assert terminal.ends() == code
    assert parts.status("a") == status


def test_ctrl_c_at_the_question_does_nothing(txn: Commands, parts: Parts) -> None:
    parts.fail("a")
    with txn.at_terminal("discard", "a", "--why", "x") as terminal:
        terminal.until("Discard 1 transaction? [y/N]: ")  # the last space is of the reading itself
        assert terminal.interrupt_a_question() == 130
    assert "Traceback" not in terminal.seen
    assert parts.journal.read() == []


@pytest.mark.usefixtures("runner")
def test_all_that_match_are_a_run_of_the_workers(txn: Commands, parts: Parts) -> None:
    for number in range(30):
        parts.fail(f"r{number}")
    parts.fail("c", code=ErrorCode.CONFLICT)
    done = txn("replay", "--all", "--code", "rejected", "--yes", "--as", "ann")
    assert (done.code, done.out) == (0, "30 transactions replayed.\n")
    assert {parts.status(f"r{number}") for number in range(30)} == {"pending"}
    assert parts.status("c") == "failed"
    [run] = parts.runs.recent()
    assert (run.by, run.state, run.done) == ("ann", "done", 30)
    again = txn("replay", "--all", "--code", "rejected", "--yes", "--json")
    assert (again.code, again.json) == (0, {"run": None, "done": 0})
    found = txn("discard", "--all", "--why", "x", "--yes", "--json")
    assert (found.code, found.json["done"], found.json["state"]) == (0, 1, "done")


def test_the_question_says_how_many_and_which(txn: Commands, parts: Parts) -> None:
    for name in "abc":
        parts.fail(name)
    with txn.at_terminal("replay", "--all", "--code", "rejected") as terminal:
        terminal.until("Replay 3 transactions (code rejected)?")
        terminal.type("n\n")
        assert terminal.ends() == 1
    assert parts.runs.recent() == []


@pytest.mark.usefixtures("runner")
def test_all_are_counted_before_it_asks_and_those_are_done(
    txn: Commands, parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("txn.readers.dead_letters.SLICE", 2)
    monkeypatch.setattr("txn.readers.dead_letters.MAX_LOOKED_AT", 2)
    for number in range(7):
        parts.fail(f"r{number}", detail=f"no {number % 2}")
        parts.clock.forward(1)
    done = txn("discard", "--all", "--text", "no 0", "--why", "x", "--yes", "--json")
    assert (done.json["confirmed"], done.json["done"], done.json["gone"], done.json["more"]) == (4, 4, 0, False)
    assert [entry.confirmed for entry in parts.journal.read()] == [4, 4]


@pytest.mark.parametrize(("answer", "state", "code"), [("y", "stopped", 1), ("n", "running", 130)])
def test_ctrl_c_leaves_a_run_alone_or_stops_it(txn: Commands, parts: Parts, answer: str, state: str, code: int) -> None:
    parts.fail("a")
    with txn.at_terminal("replay", "--all", "--yes") as terminal:
        terminal.until("waits for a worker")
        terminal.interrupt()
        terminal.until("Stop the run?")
        terminal.type(f"{answer}\n")
        assert terminal.ends() == code
    [run] = parts.runs.recent()
    assert run.state == state
    assert "Traceback" not in terminal.seen


def test_a_process_that_is_killed_while_it_looks_on_changes_nothing_for_the_run(txn: Commands, parts: Parts) -> None:
    parts.fail("a")
    with txn.at_terminal("replay", "--all", "--yes") as terminal:
        terminal.until("waits for a worker")
    runner = BulkRunner(parts.runs, parts.letters, "h:1")
    while parts.runs.recent()[0].state == "running":
        runner.tick()
        time.sleep(0.01)
    assert parts.status("a") == "pending"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("replay",), "give an ID or more"),
        (("replay", "a", "--all"), "not both"),
        (("replay", "a", "--code", "rejected"), "need --all"),
        (("replay", "not an id"), "id"),
        (("discard", "a", "--why", "  "), "give a reason"),
        (("discard", "a"), "--why"),
        (("replay", "a", "--as", "x" * 65), "a name has 1 to 64"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_asked(
    txn: Commands, arguments: tuple[str, ...], said: str
) -> None:
    done = txn(*arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
