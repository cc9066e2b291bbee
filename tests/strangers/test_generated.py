import subprocess
from pathlib import Path

import pytest
import requests

from tests.strangers.test_clients import CLIENTS, PYTHON, made, stack, tell
from tests.system.stack import Stack

__all__ = ["stack"]

TOLD = """\
submit 202 pending
repeat 200 true true
wait completed None
batch created created invalid
listed 3
conflict 422 content_conflict amount
invalid 400 invalid amount
ended 409 not_cancellable
missing 404 not_found false
"""


@pytest.mark.long
def test_a_client_made_of_the_document_submits_and_reads(stack: Stack, tmp_path: Path) -> None:
    made(PYTHON)
    (tmp_path / "openapi.json").write_bytes(requests.get(f"{stack.url}/openapi.json", timeout=60).content)
    generate = [PYTHON.with_name("openapi-python-client"), "generate", "--path", "openapi.json", "--meta", "none"]
    done = subprocess.run(
        [*generate, "--output-path", "made"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout
    assert unsupported(done.stdout) <= {"application/x-ndjson"}, done.stdout
    (script := tmp_path / "use_generated.py").write_bytes((CLIENTS / script.name).read_bytes())
    tell(stack, "generated", [PYTHON, script], TOLD)


def unsupported(said: str) -> set[str]:
    """What was left out. It can send batches as JSON, but not as lines."""
    assert "WARNING" not in said.replace("Unsupported content type", "")
    return {line.split()[-1] for line in said.splitlines() if line.startswith("Unsupported")}
