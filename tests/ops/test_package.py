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


class Installed(Stand):
    """API, workers and command line of an environment, far from the checkout."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.python, self.txn, self.cwd = str(folder / "venv/bin/python"), (str(folder / "venv/bin/txn"),), folder


def test_in_an_empty_environment_api_worker_and_command_complete_a_transaction(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv")
    pip("--python", "venv/bin/python", "install", "--no-compile", str(wheel), cwd=tmp_path)
    with Installed(tmp_path) as stand:
        stand.start_api()
        assert stand.health()["version"] == __version__
        stand.start_worker(1, 8)
        done = stand.command("submit", "100.50", "USD", "Payment", "--url", stand.url, "--wait")
        assert (done.returncode, done.stdout.split()[1:]) == (0, ["completed"]), done.stderr + stand.logs()
        assert [row["id"] for row in stand.mock.rows()] == [done.stdout.split()[0]]
        assert stand.audit()["exit_code"] == 0
        where = [stand.python, "-c", "import txn; print(txn.__file__)"]
        file = subprocess.run(where, cwd=tmp_path, text=True, capture_output=True, check=True).stdout
        assert Path(file).is_relative_to(tmp_path / "venv")
