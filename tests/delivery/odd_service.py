"""A posting service over real HTTP whose table is right, and whose answers are what the test says."""

import json
from typing import Any

#: (status, headers, body)
Said = tuple[int, dict[str, str], bytes]

NOT_FOUND: Said = (404, {}, b'{"detail":"not found"}')


class OddService:
    """Answers for `tests.cli.doctor_rig.posting`; after each list of answers it does as the contract says.

    `posts`: what POSTs are answered with, whether they are written or not. `gets`: what GETs by id are answered with;
    None: as the contract says.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.posts: list[tuple[bool, Said]] = []
        self.gets: list[Said | None] = []
        self.posted = self.got = 0

    def __call__(self, method: str, path: str, body: bytes) -> Said:
        return self._post(json.loads(body)) if method == "POST" else self._get(path.rpartition("/")[2])

    def _post(self, row: dict[str, Any]) -> Said:
        self.posted += 1
        writes, said = self.posts.pop(0) if self.posts else (True, (201, {}, json.dumps(row).encode()))
        if writes:
            self.rows.append(row)
        return said

    def _get(self, row_id: str) -> Said:
        self.got += 1
        if self.gets and (said := self.gets.pop(0)) is not None:
            return said
        row = next((row for row in self.rows if row["id"] == row_id), None)
        return (200, {}, json.dumps(row).encode()) if row else NOT_FOUND
