"""Whoever installs base.txt, and nothing else, has all that the API and the workers import."""

import ast
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Used by rich, requests and Python itself if they are there; nobody needs them.
OPTIONAL = {"attrs", "pysocks", "pip", "setuptools"}
#: redis-py loads OpenTelemetry too, where it is installed.
IMPORTED = """
import sys
sys.modules["opentelemetry"] = None
import txn.cli.app
import txn.server.worker
import txn.worker
import wsgi
print(*sorted({name.partition(".")[0] for name in sys.modules if sys.modules[name]}))
"""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def owners_of_modules() -> dict[str, list[str]]:
    """Distributions by the modules that they bring. Many share the folder `opentelemetry`; we import its API."""
    return {**metadata.packages_distributions(), "opentelemetry": ["opentelemetry-api"]}


def with_what_they_need(names: set[str]) -> set[str]:
    """The distributions and, without extras, all that they ask for."""
    found: set[str] = set()
    while names:
        name = normal(names.pop())
        if name not in found:
            found.add(name)
            try:
                asked = metadata.requires(name) or []
            except metadata.PackageNotFoundError:  # for another system or Python
                continue
            names |= {re.split(r"[^\w.-]", one)[0] for one in asked if "extra ==" not in one}
    return found


@pytest.mark.parametrize("built", [False, True], ids=["a fresh checkout", "after pip install ."])
def test_all_that_api_workers_and_command_line_import_is_in_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: bool
) -> None:
    if built:  # what that leaves behind in the checkout
        (tmp_path / "txn.egg-info").mkdir()
        (tmp_path / "txn.egg-info" / "PKG-INFO").write_text("Metadata-Version: 2.4\nName: txn\nVersion: 0\n")
        (tmp_path / "txn.egg-info" / "top_level.txt").write_text("txn\n")
        monkeypatch.syspath_prepend(tmp_path)
    lines = (ROOT / "requirements/base.txt").read_text().splitlines()
    base = with_what_they_need({line.partition("==")[0] for line in lines if "==" in line})
    done = subprocess.run([sys.executable, "-c", IMPORTED], cwd=ROOT, text=True, capture_output=True, check=True)
    owners = owners_of_modules()
    assert ("txn" in owners) >= built
    needed = {normal(owner) for module in done.stdout.split() for owner in owners.get(module, [])}
    assert "gunicorn" in needed
    # The .pth file of cmeel, which brings mimalloc for the embedded server, is run by every interpreter.
    assert needed - base <= OPTIONAL | {"txn", "cmeel"}, "these are imported, and only there because tests need them"


def test_what_txn_imports_is_pinned_by_its_own_name() -> None:
    imported: set[str] = set()
    for path in (ROOT / "txn").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.partition(".")[0])
    owners = owners_of_modules()
    needed = {normal(owner) for module in imported - {"txn"} for owner in owners.get(module, [])}
    files = [f"requirements/{name}.txt" for name in ("base", "dashboard", "otel", "sentry")]
    lines = [line for file in files for line in (ROOT / file).read_text().splitlines()]
    # pydantic asks for one version of its core, and no other.
    assert needed - {normal(line.partition("==")[0]) for line in lines} == {"pydantic-core"}


@pytest.mark.parametrize("path", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda path: path.name)
def test_the_lock_has_every_release_that_is_named_with_its_hashes_and_no_index(path: Path) -> None:
    locked = (ROOT / "requirements/lock" / path.name).read_text()
    asked = re.findall(r"^([\w.-]+==[\w.]+)", path.read_text(), re.MULTILINE)
    found = re.findall(r"^(\S+==\S+)(?: ;[^\\]*)? \\\n    --hash=sha256:", locked, re.MULTILINE)
    assert asked
    assert set(map(str.lower, asked)) <= set(found), "run `make lock`"
    assert len(found) == len(re.findall(r"^\w", locked, re.MULTILINE)), "each has a hash"
    assert "://" not in locked
