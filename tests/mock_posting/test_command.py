import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import requests

from ops.mock_posting.__main__ import parse
from ops.mock_posting.client import MockPosting
from ops.ports import free_port
from tests.mock_posting.caller import Caller, row, until_stats

ROOT = Path(__file__).parents[2]


def refused(*options: str) -> tuple[int, list[str]]:
    """The exit code and the lines on standard error of a command that does not start."""
    command = [sys.executable, "-m", "ops.mock_posting", *options]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert ended.stdout == ""
    return ended.returncode, ended.stderr.splitlines()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_and_a_signal_ends_it_at_once_whatever_hangs(number: signal.Signals) -> None:
    port = free_port()
    mock = MockPosting(port=port)
    command = [sys.executable, "-m", "ops.mock_posting", "--port", str(port), "--control-port", str(mock.control_port)]
    command += ["--faults", "hang_until_released=1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        said = f"mock posting service on http://127.0.0.1:{port}, control on http://127.0.0.1:{mock.control_port}\n"
        assert process.stdout.readline() == said
        with Caller(mock).post("a"):
            process.send_signal(number)
            assert process.wait(60) == 0
        assert (process.stdout.read(), process.stderr.read()) == ("", "")


def test_the_control_port_is_the_next_one_unless_told() -> None:
    assert parse(["--port", "8090"]).control_port == 8091
    assert parse(["--port", "8090", "--control-port", "9000"]).control_port == 9000


def test_the_two_ports_must_differ() -> None:
    port = str(free_port())
    assert refused("--port", port, "--control-port", port)[0] == 2


def test_a_taken_port_is_named_in_one_sentence(mock: MockPosting) -> None:
    code, said = refused("--port", str(mock.port), "--control-port", str(free_port()))
    assert (code, said) == (1, [f"mock posting service: port {mock.port} cannot be used: Address already in use"])
    code, said = refused("--port", str(free_port()), "--control-port", str(mock.control_port))
    assert (code, len(said)) == (1, 1)
    assert f"port {mock.control_port} " in said[0]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--faults", "fail_befor=0.1"], "fail_befor: unknown"),
        (["--faults", "fail_before=2"], "fail_before: "),
        (["--faults", "fail_before"], "fail_before: "),
        (["--port", "0"], "'0' is not a port"),
        (["--port", "65535"], "65535 at most"),
        (["--port", "http"], "'http' is not a port"),
    ],
)
def test_a_wrong_command_line_is_explained(options: Sequence[str], named: str) -> None:
    code, said = refused(*options)
    assert (code, "Traceback" in "".join(said)) == (2, False)
    assert named in said[-1]


def test_faults_and_seed_of_the_command_line_repeat_a_run(http: requests.Session) -> None:
    runs = []
    for seed in ("1", "1", "2"):
        with MockPosting(options=["--seed", seed, "--faults", "fail_before=0.3, fail_after=0.3"]) as mock:
            codes = [
                http.post(f"{mock.url}/transactions", json=row(f"n{n}"), timeout=60).status_code for n in range(60)
            ]
            runs.append((codes, [one["id"] for one in mock.rows()]))
    assert runs[0] == runs[1] != runs[2]
    assert set(runs[0][0]) == {201, 500}


def test_the_client_says_when_it_does_not_start(mock: MockPosting) -> None:
    with pytest.raises(RuntimeError, match="did not start"):
        MockPosting(port=mock.port).start()


def test_the_client_starts_again_after_a_stop_and_leads_a_session_of_its_own() -> None:
    mock = MockPosting()
    for _ in range(2):
        with mock:
            assert mock.process is not None
            assert os.getsid(mock.process.pid) == mock.process.pid
            assert mock.rows() == []
            until_stats(mock, rows=0)
        mock.stop()
