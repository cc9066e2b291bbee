import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from ops.stand import ROOT, Stand


def test_what_does_not_come_up_as_a_whole_leaves_nothing_behind(tmp_path: Path) -> None:
    class Broken(Stand):
        def _begin(self) -> None:
            api = self.start_api()
            found = [self.redis_server.process, self.mock.process, api.popen]
            self.begun = [psutil.Process(popen.pid) for popen in found if popen]
            raise RuntimeError("no worker")

    stand = Broken(tmp_path)
    with pytest.raises(RuntimeError, match="no worker"), stand:
        pass
    assert [process.is_running() for process in stand.begun] == [False] * 3


STANDS = """
import signal, sys
from pathlib import Path
from ops.stand import Stand

signal.signal(signal.SIGINT, signal.default_int_handler)  # which shells ignore for what runs in the background
with Stand(Path(sys.argv[1])) as stand:
    stand.start_api()
    print("up", flush=True)
    signal.pause()
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_whoever_ends_the_program_ends_what_it_has_started(tmp_path: Path, how: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", STANDS, tmp_path], cwd=ROOT, stdout=subprocess.PIPE) as program:
        assert program.stdout
        assert program.stdout.readline() == b"up\n"
        started = psutil.Process(program.pid).children(recursive=True)
        os.kill(program.pid, how)
        _, left = psutil.wait_procs(started, timeout=60)
    assert len(started) >= 3
    assert left == []


def test_a_condition_that_never_comes_true_is_an_error_with_the_logs(tmp_path: Path) -> None:
    (tmp_path / "api.log").write_text("port 1 is taken")
    with pytest.raises(TimeoutError, match=r"not within 0.1 s: it answers\n--- api.log\nport 1 is taken"):
        Stand(tmp_path).until(lambda: False, "it answers", 0.1)
