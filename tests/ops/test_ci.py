"""What .github/workflows/ci.yml runs, and on what."""

import functools
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import SERVERS

ROOT = Path(__file__).parents[2]
JOBS: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
MAKEFILE = (ROOT / "Makefile").read_text()


@functools.cache
def collected(*options: str) -> list[str]:
    files = ["tests/audit/test_audit.py", "tests/store/test_due.py"]
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *files, *options]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=100, check=True)
    return [line for line in done.stdout.splitlines() if "::" in line]


def on(server: str, tests: list[str]) -> list[str]:
    return [name for name in tests if re.search(rf"\b{server}\b", name.partition("[")[2])]


@pytest.mark.parametrize(("server", "other"), [SERVERS, SERVERS[::-1]])
def test_one_server_leaves_out_the_tests_on_the_other_and_no_more(server: str, other: str) -> None:
    every, some = collected(), collected(f"--server={server}")
    assert on(server, some) == on(server, every) != []
    assert len(every) - len(some) == len(on(other, every)) > 0


def test_all_pythons_of_the_makefile_are_tested_with_each_server() -> None:
    [pythons] = re.findall(r"^PYTHONS := (.*)$", MAKEFILE, re.MULTILINE)
    matrix = JOBS["test"]["strategy"]["matrix"]
    assert [f"python{version}" for version in matrix["python"]] == pythons.split()
    assert set(matrix["server"]) == set(SERVERS)


def test_nothing_is_run_but_targets_of_the_makefile() -> None:
    commands = [step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step]
    targets = [re.fullmatch(r"make ([\w-]+) PYTHON=python( ARGS=\S.*)?", command) for command in commands]
    assert targets
    assert all(target and re.search(rf"^{target[1]}:", MAKEFILE, re.MULTILINE) for target in targets)
