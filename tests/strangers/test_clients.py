import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from tests.system.stack import ROOT, Stack, stack_fixture
from txn.model.ids import id_for_key

HERE = Path(__file__).parent
CLIENTS, MODULES = HERE / "clients", HERE / "node_modules"
#: `make test-strangers` makes it.
PYTHON = ROOT / ".venv-strangers/bin/python"
STORY = CLIENTS / "story.py"

TOLD = """\
submit 202 pending
repeat 200 true true
wait completed None
batch created created invalid
listed 3
conflict 422 content_conflict amount
invalid 400 invalid currency application/problem+json
missing 404 not_found false
"""

stack = stack_fixture(workers=1, scope="module")


def test_curl(stack: Stack) -> None:
    installed("curl")
    tell(stack, "curl", [sys.executable, STORY, "curl"])


def test_requests(stack: Stack) -> None:
    tell(stack, "requests", [sys.executable, STORY, "requests"])


@pytest.mark.parametrize("client", ["httpx", "aiohttp"])
def test_other_clients_in_python(stack: Stack, client: str) -> None:
    made(PYTHON)
    tell(stack, client, [PYTHON, STORY, client])


def test_fetch_of_node(stack: Stack) -> None:
    tell(stack, "fetch", [*installed("node"), CLIENTS / "fetch.mjs"])


def test_axios(stack: Stack) -> None:
    made(MODULES)
    tell(stack, "axios", [*installed("node"), CLIENTS / "axios.mjs"])


def test_net_http_of_go(stack: Stack) -> None:
    tell(stack, "go", [*installed("go"), "run", CLIENTS / "net_http.go"])


def test_http_client_of_java(stack: Stack) -> None:
    tell(stack, "java", [*installed("java"), CLIENTS / "HttpClientStory.java"])


def installed(name: str) -> list[str]:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    return [name]


def made(path: Path) -> None:
    if not path.exists():
        pytest.skip("make test-strangers has not installed it")


def tell(stack: Stack, name: str, command: Sequence[str | Path], told: str = TOLD) -> None:
    """What it says of its answers; and the posting service has each of its transactions once, as it was meant."""
    done = subprocess.run([*command, stack.url, name], capture_output=True, text=True, check=False, timeout=300)
    assert done.stdout == told, done.stderr
    stack.until_quiet()
    rows = [row for row in stack.mock.rows() if row["id"] in {id_for_key(f"{name}-{number}") for number in range(3)}]
    assert Counter(row["id"] for row in rows).most_common(1)[0][1] == 1
    assert [Decimal(str(row["amount"])) for row in rows] == [Decimal("100.5")] * 3
