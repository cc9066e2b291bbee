import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import txn
from tests.parts import Parts
from tests.store.lua_source import PRELUDE, SCRIPTS, arguments, calls, names, whole
from txn.model.outcome import Cause, Maybe, Retry
from txn.readers import letter, records
from txn.store import transactions
from txn.store.record import RECORD

#: How the scripts name a record, and what stands for one in the calls of their own functions.
A_RECORD = re.compile(r"(record|t_stem)\b")
_CALLS = (r"redis\.call", r"redis\.pcall")


def commands(text: str, *wanted: str) -> Iterator[list[str]]:
    """What is behind the key, in commands on a record."""
    for command, *rest in calls(text, *_CALLS):
        if command.strip("'") in wanted and rest and A_RECORD.match(rest[0]):
            yield rest[1:]


def written(text: str) -> set[str]:
    found: set[str] = set()
    for fields in commands(text, "HSET", "HSETNX", "HINCRBY"):
        found.update(names(fields[::2]))
    for table in re.findall(r"local written = {([^}]*)}", text):
        found.update(names(arguments(table)[::2]))
    for field, *_ in calls(text, "write", "count_state", "limit"):
        found.update(names([field]))
    for *_, field, _ in calls(text, "fail_unposted"):
        found.update(names([field]))
    return found


def cleared(text: str) -> set[str]:
    found = {name for fields in commands(text, "HDEL") for name in names(fields)}
    if "unpack(OF_A_DELIVERY)" in text:
        [table] = re.findall(r"OF_A_DELIVERY = {([^}]*)}", PRELUDE)
        found.update(names(arguments(table)))
    return found


def read(text: str) -> set[str]:
    found = {name for fields in commands(text, "HGET", "HMGET") for name in names(fields)}
    for key, *fields in calls(text, "fields", "read"):
        found.update(names(fields) if key != "about" else [])  # what a worker says of itself
    return found


def by_field(find: Any) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for script in SCRIPTS:
        for field in find(whole(script)):
            found[field].add(script)
    return found


@pytest.mark.parametrize("name", sorted({*RECORD, *by_field(written), *by_field(cleared)}))
def test_a_field_is_written_and_cleared_by_the_scripts_that_the_table_names(name: str) -> None:
    assert name in RECORD
    assert RECORD[name].written == by_field(written)[name]
    assert RECORD[name].cleared == by_field(cleared)[name]


def test_every_field_is_read_by_somebody_and_nobody_reads_another() -> None:
    page = (Path(txn.__file__).parent / "admin/templates/transaction.html").read_text()
    shown = set(re.findall(r"\br\.(\w+)", page)) | set(re.findall(r'details\.ms\("(\w+)"\)', page))
    read_by_python = {*letter.FIELDS, *records._FIELDS, *transactions.SEEN_BY_CLIENTS}
    assert len(shown) > 8
    assert shown | read_by_python | set(by_field(read)) == set(RECORD)


def test_times_are_times_and_numbers_numbers(parts: Parts) -> None:
    parts.accept("a")
    parts.settle(parts.claimed("a"), Retry(Cause.UNCERTAIN, "500", Maybe(60_000), 1_000), history='{"attempt":1}')
    parts.clock.forward(120_000)
    parts.claimed("a")
    now_ms = parts.read_statistics().now_ms
    for name, value in parts.record("a").items():
        kind = RECORD[name].kind
        if kind == "time":
            assert abs(int(value) - now_ms) < 1_000_000, name
        elif kind in ("number", "flag"):
            assert 0 <= int(value) < (2 if kind == "flag" else 100), name
