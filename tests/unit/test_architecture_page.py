import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from txn.store.keys import Keys

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how/architecture.md").read_text()


def stem(key: str) -> str:
    return key.partition("<")[0].rstrip(":")


def keys() -> Iterator[str]:
    one = Keys(prefix="")
    for name, member in vars(Keys).items():
        if isinstance(member, property):
            yield getattr(one, name)
        elif callable(member) and not name.startswith("_"):
            yield getattr(one, name)("<id>")


def layers() -> list[set[str]]:
    """The rooms of each floor, top down, as `lint-imports` holds them; without the single files at both ends."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [order] = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    floors = [{module.strip().removeprefix("txn.") for module in floor.split("|")} for floor in order]
    return [floor for floor in floors if all((ROOT / "txn" / room).is_dir() for room in floor)]


def test_the_table_of_floors_is_what_make_check_holds() -> None:
    table = PAGE.partition("## The floors")[2].partition("## ")[0]
    rows = [set(re.findall(r"`txn/(\w+)`", row)) for row in re.findall(r"^\| [^|]+\| ([^|]+)\|", table, re.M)]
    assert [row for row in rows if row] == layers()


def test_the_table_of_keys_holds_every_key() -> None:
    rows = re.findall(r"^\| (`.*?) \| \w", PAGE.partition("## What is stored")[2], re.M)
    named = {stem(key) for row in rows for key in re.findall(r"`([^`]+)`", row)}
    ours = {stem(key) for key in keys() if not key.startswith("dramatiq")}
    assert len(ours) > 10
    assert ours <= named
