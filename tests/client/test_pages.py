import io
import re
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from tests.client.test_callbacks import BODY, signed
from tests.system.stack import Stack, stack_fixture

ROOT = Path(__file__).parents[2]

stack = stack_fixture(workers=1, scope="module")


def program(page: str, about: str) -> str:
    """The one block of a page that imports the client and has this word."""
    blocks = re.findall(r"(?:^    .*\n|^(?=\n    )\n)+", (ROOT / page).read_text(), re.MULTILINE)
    [block] = [block for block in blocks if "txn.client import" in block and about in block]
    return re.sub("^    ", "", block.strip("\n"), flags=re.MULTILINE)


@pytest.mark.parametrize("page", ["README.md", "docs/use/client.md"])
def test_the_example_of_a_page_runs(stack: Stack, page: str) -> None:
    said = io.StringIO()
    with redirect_stdout(said):
        exec(re.sub(r"http://[\w.]+:8000", stack.url, program(page, "Client(")), {})
    assert said.getvalue().startswith("completed")


def test_the_example_of_a_receiver_takes_what_is_signed_once_and_nothing_else() -> None:
    worked_on: dict[str, object] = {}
    names: dict[str, object] = {"is_known": worked_on.__contains__, "work_on": worked_on.__setitem__}
    exec(program("docs/use/client.md", "verify_callback("), names)
    on_request: Any = names["on_request"]
    assert [on_request(signed(), BODY), on_request(signed(), BODY), on_request(signed(), BODY + b"x")] == [
        204,
        204,
        400,
    ]
    assert list(worked_on) == ["name"]
