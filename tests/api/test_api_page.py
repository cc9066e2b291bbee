import re
from pathlib import Path

from falcon.testing import TestClient

from txn.model.transaction import ErrorCode
from txn.server.codes import CODES

PAGE = (Path(__file__).parents[2] / "docs/use/api.md").read_text()


def rows(heading: str) -> set[str]:
    """What the first column of the section's table names."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return {name for row in re.findall(r"^\| (`.*?) \|", section, re.M) for name in re.findall(r"`([\w.]+)`", row)}


def test_the_page_names_every_field_of_health(api: TestClient) -> None:
    assert rows("Health") == set(api.simulate_get("/api/health").json) - {"status"}


def test_the_page_names_every_error_code() -> None:
    assert rows("Why a transaction failed") - {"error.code"} == {code.value for code in ErrorCode}


def test_the_page_says_of_every_code_what_the_list_says() -> None:
    section = PAGE.partition("\n## Errors\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \| ([\d, ]+) \| (yes|no) \| (.+) \|$", section, re.M) == [
        (name, ", ".join(map(str, code.statuses)), "yes" if code.retryable else "no", code.meaning)
        for name, code in CODES.items()
    ]
