import os
import subprocess
import sys
from pathlib import Path

import pytest

from txn.cli.local_env import local_env
from txn.errors import BadSettings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "env"
    path.write_text("TXN_REDIS_URL=redis://h:1/0?a=b\nTXN_PORT=1\n")
    path.chmod(0o600)
    return path


def run(folder: Path, *options: str, **settings: str) -> subprocess.CompletedProcess[str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("TXN_")}
    environment = own | {"PYTHONPATH": str(ROOT)} | settings
    line = [sys.executable, *(options or ("-m", "txn", "status"))]
    return subprocess.run(line, cwd=folder, env=environment, text=True, capture_output=True, timeout=60, check=False)


def test_what_make_run_has_left_is_used(path: Path) -> None:
    assert local_env({"HOME": "/"}, path) == {"TXN_REDIS_URL": "redis://h:1/0?a=b", "TXN_PORT": "1"}


@pytest.mark.parametrize("name", ["TXN_REDIS_URL", "TXN_POSTING_URL", "TXN_PREFIX", "TXN_LOG_LEVEL", "TXN_PORT"])
def test_two_sources_never_mix(path: Path, name: str) -> None:
    assert local_env({name: ""}, path) == {}


def test_without_the_file_nothing_is_set(tmp_path: Path) -> None:
    (tmp_path / ".txn").touch()
    assert local_env({}, tmp_path / "none") == local_env({}, tmp_path / ".txn" / "env") == {}


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused(path: Path, mode: int) -> None:
    path.chmod(mode)
    with pytest.raises(BadSettings, match="can be written by another user"):
        local_env({}, path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_refused_even_as_root(path: Path) -> None:
    os.chown(path, 65534, 65534)
    with pytest.raises(BadSettings, match="can be written by another user"):
        local_env({}, path)


@pytest.mark.parametrize(
    "content", [b"PATH=/tmp\n", b"TXN_ADMIN=x\n", b"LD_PRELOAD=x.so\nTXN_PORT=1\n", b"junk\n", b"\xff"]
)
def test_a_file_with_anything_else_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(BadSettings, match="remove it"):
        local_env({}, path)


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "env").mkdir()
    with pytest.raises(BadSettings, match="cannot be read"):
        local_env({}, tmp_path / "env")


def test_the_command_says_so_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / ".txn").mkdir()
    (tmp_path / ".txn" / "env").write_text("HOME=/\n")
    done = run(tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("txn: .txn/env sets 'HOME', which is no setting")


def test_with_nothing_said_the_command_says_where_it_has_looked(tmp_path: Path) -> None:
    (tmp_path / ".txn").mkdir()
    (tmp_path / ".txn" / "env").write_text("TXN_REDIS_URL=redis://127.0.0.1:1/0\n")
    done = run(tmp_path)
    assert "nothing listens there" in done.stderr
    assert "6379" not in done.stderr


@pytest.mark.parametrize("arguments", [(), ("status",), ("--help",), ("audit", "--json")])
def test_a_python_without_what_is_needed_is_a_sentence(arguments: tuple[str, ...]) -> None:
    done = run(ROOT, "-S", "-m", "txn", *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("txn: this Python has no ")
    assert ".venv/bin/txn" in done.stderr


def test_a_python_that_is_too_old_is_a_sentence() -> None:
    old = "import sys, runpy; sys.version_info = (3, 9, 2); runpy.run_module('txn', run_name='__main__')"
    done = run(ROOT, "-S", "-c", old)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("txn: Python 3.9 is too old: 3.11 or newer is needed")


def test_the_command_of_a_checkout_runs_from_any_folder(tmp_path: Path) -> None:
    for folder in ("here/.venv/bin", "here/txn"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "here/.venv/bin/python").symlink_to(sys.executable)
    (tmp_path / "here/.venv/bin/txn").write_bytes((ROOT / "ops/txn.sh").read_bytes())
    (tmp_path / "here/.venv/bin/txn").chmod(0o755)
    (tmp_path / "here/txn/__init__.py").touch()
    (tmp_path / "here/txn/__main__.py").write_text("import sys; print('ours', *sys.argv[1:])")
    (tmp_path / "elsewhere/txn").mkdir(parents=True)
    (tmp_path / "elsewhere/txn/__init__.py").write_text("raise SystemExit('another package of that name')")
    line = [tmp_path / "here/.venv/bin/txn", "status", "a b"]
    done = subprocess.run(line, cwd=tmp_path / "elsewhere", text=True, capture_output=True, timeout=60, check=False)
    assert done.stdout == "ours status a b\n", done.stderr
