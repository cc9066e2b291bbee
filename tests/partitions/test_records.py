from typing import Any

import pytest
import redis

from tests.partitions.parts import AllParts
from txn.partitions.records import AllRecords


def test_all_records_are_found_in_one_scan_of_the_server_and_nothing_else_is(
    parts: AllParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [parts.accept(f"n{number}") for number in range(40)]
    stem = parts.database.keys.prefix
    for other in (f"{stem}{{9}}:t:foreign", f"{stem}{{x}}:t:foreign", f"{stem}{{1}}:tt:t:foreign"):
        parts.database.client.hset(other, "status", "pending")
    scan, cursors = redis.Redis.scan, list[int]()

    def counted(client: redis.Redis, cursor: int, **options: Any) -> Any:
        cursors.append(cursor)
        return scan(client, cursor, **options)

    monkeypatch.setattr(redis.Redis, "scan", counted)
    found = [record.id for chunk in AllRecords(parts.partitions).scan() for record in chunk]
    assert sorted(set(found)) == sorted(names)
    assert cursors.count(0) == 1
