"""The Makefile with Pythons of all kinds; nothing is installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "Makefile", folder)
    own = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=own, text=True, capture_output=True, timeout=60, check=False
    )


def fake(folder: Path, body: str) -> Path:
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("there", [False, True], ids=["no environment", "an environment"])
@pytest.mark.parametrize("python", ["/nonexistent", "/", "/etc/passwd", "false", "true"])
def test_a_python_that_does_not_run_is_an_error_and_no_other_is_taken(tmp_path: Path, python: str, there: bool) -> None:
    if there:
        (tmp_path / ".venv/bin").mkdir(parents=True)
        (tmp_path / ".venv/bin/python").symlink_to(sys.executable)
    done = make(tmp_path, f"PYTHON={python}", ".venv/bin/python")
    assert done.returncode == 2
    assert f"PYTHON={python} is no Python 3.11 or newer that runs" in done.stderr
    assert (tmp_path / ".venv").exists() == there


def test_one_that_is_too_old_is_an_error_too(tmp_path: Path) -> None:
    done = make(tmp_path, f"PYTHON={fake(tmp_path, 'echo False')}", ".venv/bin/python")
    assert "is no Python 3.11 or newer that runs" in done.stderr


def test_the_one_given_is_taken(tmp_path: Path) -> None:
    python = fake(tmp_path, f'echo "$@" >> {tmp_path}/called; exec {sys.executable} "$@"')
    done = make(tmp_path, f"PYTHON={python}", ".venv/bin/python")
    assert done.returncode == 0, done.stderr
    assert "-m venv" in (tmp_path / "called").read_text()


def test_the_list_of_targets_is_complete(tmp_path: Path) -> None:
    listed = {line.split()[0] for line in make(tmp_path, "help").stdout.splitlines()[1:]}
    assert listed
    [phony] = [line for line in (ROOT / "Makefile").read_text().splitlines() if line.startswith(".PHONY:")]
    assert listed == set(phony.split()[1:])


@pytest.mark.parametrize("name", ["build/lib/txn/x.py", "txn.egg-info/PKG-INFO", "dist/txn.whl", ".txn/env", ".venv/x"])
def test_git_does_not_see_what_is_made(name: str) -> None:
    done = subprocess.run(["git", "check-ignore", "--no-index", "-q", name], cwd=ROOT, check=False)
    assert done.returncode in (0, 128), "128: no repository here"
