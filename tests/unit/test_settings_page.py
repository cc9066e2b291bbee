import re
from pathlib import Path
from typing import Any, get_args

import pytest

from txn.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs/use/settings.md").read_text()
#: Name -> (default, unit, meaning), of the first table.
ROWS = {
    name: (default.strip("`"), unit, meaning)
    for name, default, unit, meaning in re.findall(
        r"^\| `(\w+)` \| (`[^`]*`|) ?\| (\w+ |)\| (.+) \|$", PAGE.partition("\n## ")[0], re.M
    )
}
UNITS = {"ms": "ms", "hours": "hours"}


def variable(field: str) -> str:
    return f"TXN_{field.upper()}"


def in_environment(value: Any) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def test_the_page_names_each_setting_and_no_other() -> None:
    assert list(ROWS) == [variable(field) for field in Settings.model_fields]


@pytest.mark.parametrize("field", Settings.model_fields)
def test_the_page_says_what_holds_for(field: str) -> None:
    default, unit, meaning = ROWS[variable(field)]
    assert default == in_environment(Settings.model_fields[field].default)
    assert unit.strip() == UNITS.get(field.rpartition("_")[2], "")
    annotation: Any = Settings.model_fields[field].annotation
    assert [choice for choice in get_args(annotation) if f"`{choice}`" not in meaning] == []
