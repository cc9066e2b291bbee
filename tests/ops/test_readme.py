"""README's blocks and those of the first session after it, typed as printed, at a system that has just begun.

Only the ports are others.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.ops.foreground import ROOT, make_run, own_ports

TEXT = "\n\n".join((ROOT / page).read_text() for page in ("README.md", "docs/use/cli.md"))
#: First lines of blocks that are not typed here, and why.
LEFT_OUT = {
    "client ──POST──▶": "a picture",
    "make run ": "it runs meanwhile",
    "docker compose up": "tests/containers",
    "from txn.client import": "tests/client/test_pages.py",
}
#: What may differ from run to run: times, durations, counts, names of processes.
_VARIES = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]"), "DAY "),
    (re.compile(r"\d\d:\d\d:\d\d(\.\d+)?Z?"), "TIME"),
    (re.compile(r"(?<![\w-])[\d.]+ (ms|s|min|%)(?!\w)"), "SOME"),
    (re.compile(r"(?<![\w-])[\d.]+/s"), "RATE"),
    (re.compile(r"\b\w[\w.-]*:\d+$"), "PROCESS"),
    (re.compile(r"\w*\u2026"), "..."),
    (re.compile(r"[\u2500 ]+"), " "),
)
#: A command that only reads may come too soon.
PATIENCE_S = 90.0


def blocks() -> list[str]:
    found = re.findall(r"(?:^    .*\n|^(?=\n    )\n)+", TEXT, re.M)
    return [re.sub("^    ", "", block, flags=re.M).strip("\n") for block in found if block.strip()]


def typed(block: str) -> list[tuple[str, list[str]]]:
    """(command, what it prints)."""
    found = []
    for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
        lines = part.split("\n")
        last = next(number for number, line in enumerate(lines) if not line.endswith("\\"))
        found.append(("\n".join(lines[: last + 1]), lines[last + 1 :]))
    return found


COMMANDS = [command for block in blocks() for command in typed(block)]


def same(line: str) -> str:
    for pattern, name in _VARIES:
        line = pattern.sub(name, line.strip())
    return line.strip()


def differs(printed: Sequence[str], said: Sequence[str]) -> str | None:
    """The first printed line that was not said in its place; `...` is any number of lines, blank ones do not count."""
    rest, anywhere = [same(line) for line in said if same(line)], False
    for line in (line for line in printed if same(line)):
        if line == "...":
            anywhere = True
            continue
        if same(line) not in (rest if anywhere else rest[:1]):
            return line
        del rest[: rest.index(same(line)) + 1]
        anywhere = False
    return None if anywhere or not rest else f"no more, but it said {rest[0]!r}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str]]]:
    """With what `make run` makes; it runs."""
    folder, ports = tmp_path_factory.mktemp("checkout"), own_ports()
    environment, binaries = Path(sys.prefix), folder / ".venv" / "bin"
    binaries.mkdir(parents=True)
    for name in ("lib", "pyvenv.cfg"):
        (folder / ".venv" / name).symlink_to(environment / name)
    (binaries / "python").symlink_to(sys.executable)
    (binaries / "txn").write_bytes((ROOT / "ops/txn.sh").read_bytes())
    (binaries / "txn").chmod(0o755)
    activate = (environment / "bin/activate").read_text()
    (binaries / "activate").write_text(activate.replace(str(environment), str(folder / ".venv")))
    with make_run(folder, **ports) as running:
        running.until("Ctrl-C stops everything")
        yield folder, ports


def ported(text: str, ports: dict[str, str]) -> str:
    numbers = {"8000": ports["TXN_PORT"], "6390": ports["TXN_REDIS_PORT"]}
    numbers["8081"] = str(int(ports["TXN_POSTING_PORT"]) + 1)
    return re.sub(r"(localhost|127\.0\.0\.1):(\d+)", lambda found: f"{found[1]}:{numbers[found[2]]}", text)


@pytest.mark.parametrize("number", range(len(COMMANDS)), ids=lambda n: COMMANDS[n][0].split("\n")[0][:40])
def test_what_the_page_prints_is_what_happens(folder: tuple[Path, dict[str, str]], number: int) -> None:
    where, ports = folder
    command, printed = (COMMANDS[number][0], [ported(line, ports) for line in COMMANDS[number][1]])
    set_by_us = ("TXN_", "PYTHON", "VIRTUAL_ENV")
    own = {name: value for name, value in os.environ.items() if not name.startswith(set_by_us)}
    before = [line for line, _ in COMMANDS[:number] if line.startswith(". ")]
    script = ported("\n".join([*before, command]), ports)
    deadline = time.monotonic() + (0 if re.search(r"submit|-d |replay", command) else PATIENCE_S)
    while True:
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=where,
            env=own | {"COLUMNS": "80", "NO_COLOR": "1", "PYTHONUTF8": "1"},
            text=True,
            capture_output=True,
            timeout=60,
            check=False,
        )
        missing = differs(printed, done.stdout.split("\n"))
        stands_still = "Redis did not answer in time" in done.stdout + done.stderr
        if missing is None or (time.monotonic() > deadline and not stands_still):
            break
        time.sleep(0.2)
    assert missing is None, f"the page prints {missing!r}:\n{done.stdout}{done.stderr}"
    assert done.returncode == 0 or "failed" in done.stdout, done.stderr


def test_every_block_is_typed_or_left_out_for_a_reason() -> None:
    others = [block for block in blocks() if not typed(block)]
    assert [block for block in others if not block.startswith(tuple(LEFT_OUT))] == []
    assert len(others) == len(LEFT_OUT)


def test_it_would_be_noticed() -> None:
    assert differs(["a  1.5 s", "...", "c"], ["a 20 ms", "b", "", "c"]) is None
    assert differs(["a", "c"], ["a", "b", "c"]) == "c"
    assert differs(["failed 1"], ["failed 2"]) == "failed 1"
    assert "no more" in str(differs(["a"], ["a", "b"]))
