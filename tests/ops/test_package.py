import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from ops.stand import Stand
from txn import __version__

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

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


def asked_for(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        [metadata] = [name for name in archive.namelist() if name.endswith("METADATA")]
        lines = archive.read(metadata).decode().splitlines()
    return [line.removeprefix("Requires-Dist: ") for line in lines if line.startswith("Requires-Dist: ")]


def test_the_package_asks_with_server_for_what_txn_needs(wheel: Path) -> None:
    lines = (ROOT / "requirements/base.txt").read_text().splitlines()
    pins = {line.partition(" ")[0] for line in lines if line and not line.startswith("#")}
    assert {one.partition(";")[0].strip() for one in asked_for(wheel) if 'extra == "server"' in one} == pins


def test_the_package_alone_asks_for_what_its_client_needs(wheel: Path) -> None:
    assert {one for one in asked_for(wheel) if "extra ==" not in one} == {"requests>=2.31", "urllib3>=2.0"}


class Installed(Stand):
    """API, workers and command line of an environment, far from the checkout."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.python, self.txn, self.cwd = str(folder / "venv/bin/python"), (str(folder / "venv/bin/txn"),), folder


def test_in_an_empty_environment_api_worker_and_command_complete_a_transaction(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv")
    pip("--python", "venv/bin/python", "install", "--no-compile", f"{wheel}[server]", cwd=tmp_path)
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


#: Submits to the API that it is given, waits, and says what it sees and what else is there.
A_PROGRAM = """
import importlib.util, sys
from decimal import Decimal
from txn.client import Client, Submission
with Client(sys.argv[1]) as client:
    first = client.submit(Decimal("100.50"), "USD", "Payment")
    print(client.wait(first.id).status, [one.result for one in client.submit_batch([Submission("1", "USD", "x")])])
print([name for name in ("falcon", "redis", "dramatiq", "pydantic", "txn.store") if name in sys.modules])
print([name for name in ("falcon", "redis", "dramatiq", "pydantic") if importlib.util.find_spec(name)])
"""


def test_in_an_empty_environment_the_client_works_without_what_the_server_needs(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv")
    pip("--python", "venv/bin/python", "install", "--no-compile", str(wheel), cwd=tmp_path)
    python = tmp_path / "venv/bin/python"
    (tmp_path / "stand").mkdir()
    with Stand(tmp_path / "stand") as stand:
        stand.start_api()
        stand.start_worker(1)
        program = [python, "-c", A_PROGRAM, stand.url]
        said = subprocess.run(program, cwd=tmp_path, text=True, capture_output=True, check=False)
        assert said.stdout.splitlines() == ["completed ['created']", "[]", "[]"], said.stderr
    command = subprocess.run([tmp_path / "venv/bin/txn", "status"], text=True, capture_output=True, check=False)
    assert (command.returncode, command.stdout) == (2, "")
    assert "txn[server]" in command.stderr
