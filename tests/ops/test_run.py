import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil
import pytest

from ops.ports import free_port
from ops.run import Plan
from ops.supervisor import CannotRun
from ops.waiting import until
from tests.ops.foreground import ROOT, Foreground, make_run, own_ports
from txn.errors import BadSettings

#: Stand-ins: what a child may do. Each touches its file, named on the command line, when it is up.
UP = "import os, pathlib, signal, subprocess, sys, time\nup = pathlib.Path(sys.argv[1]).touch\n"
STAND_INS = {
    "plain": "up(); print(f'I am {os.getpid()}'); signal.pause()",
    "stubborn": "signal.signal(signal.SIGTERM, signal.SIG_IGN); up()\nwhile True: signal.pause()",
    "orphans": (
        "same = subprocess.Popen(['sleep', '600'])\n"
        "other = subprocess.Popen(['sleep', '600'], process_group=0)\n"
        "up(); print(f'mine are {same.pid} {other.pid}'); signal.pause()"
    ),
    "babbling": (
        "sys.stdout.buffer.write(bytes(range(256)) * 1000 + b'\\n\\x1b[2J' + b'x' * 200_000 + b'\\npartial')\n"
        "sys.stdout.buffer.flush(); up(); signal.pause()"
    ),
    "stillborn": "print('no such table'); sys.exit(3)",
    "mute": "print('thinking'); signal.pause()",
    "once": (
        "again = os.path.exists(sys.argv[1]); up(); print(f'I am {os.getpid()}')\nagain or signal.pause(); sys.exit(1)"
    ),
    "closed": "os.close(1); os.close(2); up(); signal.pause()",
}

SUPERVISE = f"""
import os, sys, time
from pathlib import Path
from ops.supervisor import CannotRun, Child, Supervisor

def answers(name, up):
    # Time passes for one that has said something, and is not up: a busy machine may take long to begin.
    process = supervisor._processes[name]
    while process.runs() and not process._last and not up.exists():
        time.sleep(0.01)
    return up.exists()

folder, options = Path(sys.argv[1]), eval(sys.argv[2])
children = []
for kind in sys.argv[3:]:
    up = folder / kind
    code = {UP!r} + {STAND_INS!r}[kind.partition("-")[0]]
    children.append(Child(kind, [sys.executable, "-uc", code, str(up)], lambda name=kind, up=up: answers(name, up)))
supervisor = Supervisor(children, os.environ, **options)
try:
    supervisor.run(lambda: supervisor.log.write("all are up"))
except CannotRun as error:
    sys.exit(f"cannot run: {{error}}")
"""

Supervise = Callable[..., Foreground]


def arguments(folder: Path, kinds: Sequence[str], options: Mapping[str, object]) -> list[str]:
    return ["-c", SUPERVISE, str(folder), repr(options), *kinds]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Supervise]:
    with contextlib.ExitStack() as started:
        yield lambda *kinds, **options: started.enter_context(Foreground(arguments(tmp_path, kinds, options)))


def pids(line: str) -> list[int]:
    return [int(word) for word in line.split() if word.isdigit()]


def test_each_starts_when_the_one_before_it_answers_and_stops_in_the_order_asked_for(supervise: Supervise) -> None:
    running = supervise("plain-a", "plain-b", "plain-c", stop_order=["plain-b", "plain-c", "plain-a"])
    running.until("all are up")
    running.signal(signal.SIGTERM)
    assert running.exit_code() == 0
    assert running.said("starting plain-a", "starting plain-b", "starting plain-c") == [
        "starting plain-a", "starting plain-b", "starting plain-c",
    ]  # fmt: skip
    stops = ["stopping plain-b", "stopping plain-c", "stopping plain-a"]
    assert running.said(*stops) == stops


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing_behind(supervise: Supervise, number: signal.Signals) -> None:
    running = supervise("plain", "orphans")
    running.until("all are up")
    assert len(running.left()) == 4
    running.signal(number)
    assert running.exit_code() == 0
    assert running.left() == []


def test_a_signal_while_they_come_up_leaves_nothing_behind(supervise: Supervise) -> None:
    running = supervise("orphans", "mute")
    running.until("thinking")
    running.signal(signal.SIGINT)
    assert running.exit_code() == 0
    assert running.left() == []


def test_one_that_ignores_sigterm_is_killed_when_patience_ends(supervise: Supervise) -> None:
    running = supervise("stubborn", patience_s=0.5)
    running.until("all are up")
    running.signal(signal.SIGTERM)
    running.until("killing stubborn")
    assert running.exit_code() == 0
    assert running.left() == []


def test_a_second_ctrl_c_kills_at_once(supervise: Supervise) -> None:
    running = supervise("stubborn-a", "stubborn-b", patience_s=600)
    running.until("all are up")
    running.signal(signal.SIGINT)
    running.until("stopping stubborn-b")
    running.signal(signal.SIGINT)
    assert running.exit_code() == 0
    assert running.left() == []


def test_a_second_sigterm_does_not_because_make_passes_its_own_on(supervise: Supervise) -> None:
    running = supervise("stubborn", patience_s=2)
    running.until("all are up")
    running.signal(signal.SIGTERM)
    running.until("stopping stubborn")
    running.signal(signal.SIGTERM)
    running.signal(signal.SIGINT)
    running.until("killing stubborn")
    assert running.exit_code() == 0


def test_a_killed_child_is_started_again_and_the_log_says_why(supervise: Supervise) -> None:
    running = supervise("plain-a", "plain-b")
    line, _ = running.until_all("plain-a | I am", "all are up")
    [first] = pids(line)
    os.kill(first, signal.SIGKILL)
    assert "plain-a ended (signal 9, Killed): starting it again in 0.5 s" in running.until("ended")
    [second] = pids(running.until("plain-a | I am"))
    assert second != first
    assert psutil.pid_exists(second)


def test_what_a_dead_child_leaves_is_killed_before_it_is_started_again(supervise: Supervise) -> None:
    running = supervise("orphans")
    mine, _ = running.until_all("mine are", "all are up")
    left = pids(mine)
    [leader] = {process.ppid() for process in running.left()} - {running.popen.pid}
    os.kill(leader, signal.SIGKILL)
    running.until("orphans ended")
    until(lambda: not {process.pid for process in running.left()} & set(left), "its orphans are gone")
    running.until("mine are")
    assert len(running.left()) == 3


def test_the_delay_grows_while_it_keeps_dying(supervise: Supervise) -> None:
    running = supervise("once")
    line, _ = running.until_all("once | I am", "all are up")
    [first] = pids(line)
    os.kill(first, signal.SIGKILL)
    assert "once ended (signal 9, Killed)" in running.until("again in 0.5 s")
    assert "once ended (exit code 1)" in running.until("again in 1 s")
    assert "once ended (exit code 1)" in running.until("again in 2 s")


@pytest.mark.parametrize(
    ("name", "options", "why", "last_words"),
    [
        ("stillborn", {}, "stillborn ended before it answered (exit code 3)", "no such table"),
        ("mute", {"ready_s": 1}, "mute does not answer after 1 s", "thinking"),
    ],
)
def test_one_that_does_not_come_up_stops_the_others_with_its_last_words(
    supervise: Supervise, name: str, options: dict[str, float], why: str, last_words: str
) -> None:
    running = supervise("plain", name, **options)
    assert running.exit_code() == 1
    assert f"cannot run: {why}" in running.seen
    assert running.seen[-1] == f"    {last_words}"
    assert running.left() == []


def test_binary_junk_and_partial_lines_reach_the_log_and_harm_nobody(supervise: Supervise) -> None:
    running = supervise("babbling", "plain")
    running.until("all are up")
    running.signal(signal.SIGINT)
    assert running.exit_code() == 0
    assert sum(line.count("x") for line in running.seen if "xx" in line) == 200_000
    assert "babbling | partial" in running.seen
    assert not any("\x1b" in line for line in running.seen)


def test_one_that_closes_its_output_still_counts_as_running(supervise: Supervise) -> None:
    running = supervise("closed", "plain")
    running.until("all are up")
    assert len(running.left()) == 2
    running.signal(signal.SIGINT)
    assert running.exit_code() == 0
    assert not running.said("ended")


@pytest.mark.skipif(sys.platform != "linux", reason="needs prctl")
def test_when_the_supervisor_is_killed_its_children_end_too(supervise: Supervise) -> None:
    running = supervise("plain-a", "plain-b")
    running.until("all are up")
    running.signal(signal.SIGKILL)
    until(lambda: not running.left(), "the children are gone")


def test_a_reader_that_goes_away_does_not_stop_the_work(tmp_path: Path) -> None:
    command = [sys.executable, *arguments(tmp_path, ["plain"], {})]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        while running.stdout.readline() != b"all are up\n":
            pass
        running.stdout.close()
        running.terminate()
        assert running.wait(90) == 0


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("name", ["TXN_PORT", "TXN_REDIS_PORT", "TXN_POSTING_PORT"])
def test_a_taken_port_is_one_sentence_that_names_it_and_what_moves_it(tmp_path: Path, taken: int, name: str) -> None:
    with make_run(tmp_path, **{name: str(taken)}) as running:
        assert running.exit_code() == 1
        assert running.seen == [f"make run: port {taken} is taken: set {name} to another, or stop what uses it"]


def test_the_control_port_is_checked_too(tmp_path: Path) -> None:
    ports = own_ports()
    control = int(ports["TXN_POSTING_PORT"]) + 1
    with socket.create_server(("127.0.0.1", control)), make_run(tmp_path, **ports) as running:
        assert running.exit_code() == 1
        [line] = running.seen
        assert line.startswith(f"make run: port {control} is taken: set TXN_POSTING_PORT to another")


def test_a_second_run_in_the_same_folder_says_so_even_on_other_ports(tmp_path: Path) -> None:
    (tmp_path / ".txn").mkdir()
    with (tmp_path / ".txn" / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with make_run(tmp_path) as running:
            assert running.exit_code() == 1
            assert running.seen == ["make run: another `make run` is already running in this folder"]


@pytest.mark.parametrize("module", ["redis.exceptions", "psutil", "ops.run"])
def test_ctrl_c_while_modules_are_imported_is_no_error(tmp_path: Path, module: str) -> None:
    with make_run(tmp_path, "-X", "importtime", **own_ports()) as running:
        running.until(f" {module}")
        running.signal(signal.SIGINT)
        assert running.exit_code() == 0
        assert not running.said("Traceback", "KeyboardInterrupt")
        assert running.left() == []


def test_an_external_redis_that_does_not_answer_is_a_sentence_without_its_password(tmp_path: Path) -> None:
    url = f"redis://user:secret@127.0.0.1:{free_port()}/0"
    with make_run(tmp_path, TXN_REDIS_URL=url) as running:
        assert running.exit_code() == 1
        [line] = running.seen
        assert line.startswith("make run: the server of TXN_REDIS_URL does not answer: ")
        assert "secret" not in line


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"TXN_PORT": "http"}, "TXN_PORT='http' is not a port: give a number from 1 to 65535"),
        ({"TXN_PORT": "0"}, "TXN_PORT='0' is not a port"),
        ({"TXN_PORT": "9" * 9_999}, "is not a port"),
        ({"TXN_POSTING_PORT": "65535"}, "TXN_POSTING_PORT='65535' is not a port: give a number from 1 to 65534"),
        ({"TXN_PORT": "8081"}, "port 8081 is wanted twice: set TXN_POSTING_PORT or TXN_PORT to another"),
    ],
)
def test_a_port_that_is_none_is_a_sentence(settings: dict[str, str], sentence: str) -> None:
    with pytest.raises(CannotRun) as caught:
        Plan({"TXN_REDIS_URL": "redis://127.0.0.1/0"} | settings)
    assert sentence in str(caught.value)


def test_a_bad_setting_is_told_before_anything_starts() -> None:
    with pytest.raises(BadSettings, match="TXN_POSTING_TIMEOUT_MS"):
        Plan({"TXN_REDIS_URL": "redis://127.0.0.1/0", "TXN_POSTING_TIMEOUT_MS": "soon"})


def test_with_an_external_redis_none_is_started() -> None:
    plan = Plan({"TXN_REDIS_URL": "redis://elsewhere/0"})
    assert [child.name for child in plan.children] == ["mock", "api", "worker"]
    assert plan.environment["TXN_REDIS_URL"] == "redis://elsewhere/0"


def test_only_our_own_posting_service_is_said_to_give_final_answers() -> None:
    redis = {"TXN_REDIS_URL": "redis://elsewhere/0"}
    own = Plan(redis)
    assert own.environment["TXN_POSTING_URL"] == "http://127.0.0.1:8080"
    assert own.environment["TXN_ANSWER_IS_FINAL"] == "1"
    external = Plan(redis | {"TXN_POSTING_URL": "http://elsewhere"})
    assert [child.name for child in external.children] == ["api", "worker"]
    assert "TXN_ANSWER_IS_FINAL" not in external.environment
