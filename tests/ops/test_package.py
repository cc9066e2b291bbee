import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = ["txn", "requirements", "pyproject.toml", "README.md", "LICENSE"]


def pip(*arguments: str, cwd: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments],
        cwd=cwd,
        text=True,
        capture_output=True,
        timeout=100,
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


def test_installed_it_is_the_command_txn(wheel: Path, tmp_path: Path) -> None:
    pip("install", "--no-deps", "--target", "installed", str(wheel), cwd=tmp_path)
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "installed"), "TXN_REDIS_URL": "redis://127.0.0.1:1/0"}
    command = tmp_path / "installed/bin/txn"
    done = subprocess.run(
        [command, "status"], cwd=tmp_path, env=environment, text=True, capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("txn status: Redis cannot be reached")
