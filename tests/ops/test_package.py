import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from ops.stand import Stand
from txn import __version__

pytestmark = pytest.mark.timeout(400)

ROOT = Path(__file__).parents[2]
NEEDED = ["txn", "requirements", "pyproject.toml", "README.md", "LICENSE"]


def pip(*arguments: str, cwd: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments],
        cwd=cwd,
        text=True,
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: building leaves things behind."""
    folder = tmp_path_factory.mktemp("package")
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", "built", ".", cwd=folder)
    [found] = (folder / "built").glob("*.whl")
    return found


def test_the_package_holds_every_file_of_txn(wheel: Path) -> None:
    files = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "txn").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        assert files <= set(archive.namelist())


def test_the_package_asks_for_what_txn_needs(wheel: Path) -> None:
    lines = (ROOT / "requirements/base.txt").read_text().splitlines()
    pins = {line.partition(" ")[0] for line in lines if line and not line.startswith("#")}
    with zipfile.ZipFile(wheel) as archive:
        [metadata] = [name for name in archive.namelist() if name.endswith("METADATA")]
        asked = {
            line.removeprefix("Requires-Dist: ")
            for line in archive.read(metadata).decode().splitlines()
            if line.startswith("Requires-Dist: ")
        }
    assert asked == pins


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an environment that has the wheel, what it asks for, and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv")
    pip("--python", "venv/bin/python", "install", "--no-compile", str(wheel), cwd=folder)
    return folder


def test_installed_it_is_the_command_txn(installed: Path) -> None:
    environment = os.environ | {"TXN_REDIS_URL": "redis://127.0.0.1:1/0"}
    done = subprocess.run(
        [installed / "venv/bin/txn", "status"],
        cwd=installed,
        env=environment,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("txn status: Redis cannot be reached")


class Installed(Stand):
    """API, workers and command line of the environment, far from the checkout."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.python, self.cwd = str(folder / "venv/bin/python"), folder


def test_installed_the_api_a_worker_and_the_command_line_complete_a_transaction(installed: Path) -> None:
    with Installed(installed) as stand:
        stand.start_api()
        stand.start_worker(1, 8)
        done = stand.command("submit", "100.50", "USD", "Payment", "--url", stand.url, "--wait")
        assert (done.returncode, done.stdout.split()[1:]) == (0, ["completed"]), done.stderr + stand.logs()
        assert [row["id"] for row in stand.mock.rows()] == [done.stdout.split()[0]]
        assert stand.audit()["exit_code"] == 0
    code = "import txn; print(txn.__file__, txn.__version__)"
    told = subprocess.run([stand.python, "-c", code], cwd=installed, text=True, capture_output=True, check=True)
    [file, version] = told.stdout.split()
    assert Path(file).is_relative_to(installed / "venv")
    assert version == __version__
