import re
from collections.abc import Iterator
from pathlib import Path

from txn.store.keys import Keys

PAGE = (Path(__file__).parents[2] / "docs/how/architecture.md").read_text()


def stem(key: str) -> str:
    return key.partition("<")[0].rstrip(":")


def keys() -> Iterator[str]:
    one = Keys(prefix="")
    for name, member in vars(Keys).items():
        if isinstance(member, property):
            yield getattr(one, name)
        elif callable(member) and not name.startswith("_"):
            yield getattr(one, name)("<id>")


def test_the_table_of_keys_holds_every_key() -> None:
    rows = re.findall(r"^\| (`.*?) \| \w", PAGE.partition("## What is stored")[2], re.M)
    named = {stem(key) for row in rows for key in re.findall(r"`([^`]+)`", row)}
    ours = {stem(key) for key in keys() if not key.startswith("dramatiq")}
    assert len(ours) > 10
    assert ours <= named
