import io
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from tests.system.stack import Stack

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("pages")) as stack:
        stack.start_worker(1)
        yield stack


@pytest.mark.parametrize("page", ["README.md", "docs/use/client.md"])
def test_the_example_of_a_page_runs(stack: Stack, page: str) -> None:
    blocks = re.findall(r"(?:^    .*\n|^(?=\n    )\n)+", (ROOT / page).read_text(), re.MULTILINE)
    [block] = [block for block in blocks if "txn.client import" in block]
    program = re.sub("^    ", "", block.strip("\n"), flags=re.MULTILINE)
    said = io.StringIO()
    with redirect_stdout(said):
        exec(re.sub(r"http://[\w.]+:8000", stack.url, program), {})
    assert said.getvalue().startswith("completed")
