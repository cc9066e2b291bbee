import re
from pathlib import Path

from falcon.testing import TestClient

from txn.model.transaction import ErrorCode

PAGE = (Path(__file__).parents[2] / "docs/use/api.md").read_text()


def rows(heading: str) -> set[str]:
    """What the first column of the section's table names."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return {name for row in re.findall(r"^\| (`.*?) \|", section, re.M) for name in re.findall(r"`([\w.]+)`", row)}


def test_the_page_names_every_field_of_health(api: TestClient) -> None:
    assert rows("Health") == set(api.simulate_get("/api/health").json) - {"status"}


def test_the_page_names_every_error_code() -> None:
    assert rows("Why a transaction failed") - {"error.code"} == {code.value for code in ErrorCode}
