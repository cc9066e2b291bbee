import os
import pty
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def install(path: Path, *options: str, **how: int) -> subprocess.Popen[str]:
    line = [sys.executable, str(ROOT / "ops/install.py"), str(path), *options]
    return subprocess.Popen(line, text=True, stderr=subprocess.PIPE, **({"stdout": subprocess.PIPE} | how))


def requirements(folder: Path, line: str) -> Path:
    path = folder / "requirements.txt"
    path.write_text(f"{line}\n")
    return path


def test_without_a_terminal_it_is_one_line(tmp_path: Path) -> None:
    path = requirements(tmp_path, "pip")
    with install(path) as running:
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err) == (0, f"Installing {path} ...\n", "")


def test_on_a_terminal_the_line_moves_and_ends_with_what_it_took(tmp_path: Path) -> None:
    path, (reader, terminal) = requirements(tmp_path, "pip"), pty.openpty()
    with install(path, stdout=terminal) as running, os.fdopen(reader, "rb", buffering=0) as seen:
        running.communicate(timeout=60)
        assert running.returncode == 0
        said = ""
        while "\n" not in said:  # what was written to a terminal is passed on a little later
            said += seen.read(65536).decode()
    assert f"\rInstalled {path} in " in said
    assert said.count("\n") == 1


def test_what_cannot_be_installed_says_why(tmp_path: Path) -> None:
    with install(requirements(tmp_path, "no-such-thing==1"), "--no-index") as running:
        _, err = running.communicate(timeout=60)
    assert running.returncode == 1
    assert "No matching distribution found for no-such-thing==1" in err
    assert err.rstrip().endswith("the reason is above (no network? a proxy?)")
