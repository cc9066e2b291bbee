"""Compares every accepted transaction with what the posting service holds, while both go on working.

The records are read first and the list after them, so that whatever was completed then must be in the list. What could
have changed since is read again: records that were unfinished, ids in the list that were not known, and, with a GET for
each, what was completed and is not in the list.
"""

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any, Protocol

from txn.audit.join import (
    COMPLETED_NOT_LISTED,
    FAILED_BUT_THERE,
    LISTED_DIFFERENT,
    SETTLED_NOT_ASKED,
    UNSETTLED,
    Join,
    room,
)
from txn.audit.lookups import Lookups
from txn.audit.report import LISTED, Report
from txn.audit.verdict import BROKEN, Verdict
from txn.errors import StoreUnavailable
from txn.model.content import fingerprint, loads
from txn.posting.listing import NoList
from txn.store.records import CHUNK, RecordReader

Row = Mapping[str, Any]

_SHOWN = (*BROKEN, Verdict.UNANSWERED, Verdict.TO_DECIDE)


class Progress(Protocol):
    """Is told how far the audit is."""

    def stage(self, name: str, total: int | None) -> None:
        """What is done from now on: `records`, `list`, `join`, `again`, `ask`, `judge`; about how many, if known."""

    def advance(self, count: int) -> None:
        """So many more."""


class Audit:
    """One run. `rows` reads the list (`PostingList.rows`)."""

    def __init__(
        self,
        records: RecordReader,
        rows: Callable[[], Iterator[Row]],
        lookups: Lookups,
        progress: Progress,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        self._records, self._rows, self._lookups = records, rows, lookups
        self._progress, self._wall_s = progress, wall_s

    def run(self) -> Report:
        """Compare everything.

        Raises: Unavailable, if one of the two sides, or the temporary file, cannot be read to its end; BadSettings.
        """
        began_ms = self._now_ms()
        with _disk(), Join() as join:
            self._read_records(join)
            listed = self._read_list(join)
            self._progress.stage("join", None)
            join.index()
            self._read_again(join, listed=listed)
            asked = self._ask(join, COMPLETED_NOT_LISTED if listed else SETTLED_NOT_ASKED)
            if not listed:
                # What was failed when we read it may have been sent on its way again. What was in flight stays that:
                # had it settled meanwhile, nobody has asked about it.
                self._reread(join, FAILED_BUT_THERE)
            self._progress.stage("judge", None)
            return self._report(join, began_ms, asked, listed=listed)

    def _read_records(self, join: Join) -> None:
        self._progress.stage("records", self._records.accepted())
        for records in self._records.scan():
            join.load_records(records)
            self._progress.advance(len(records))

    def _read_list(self, join: Join) -> bool:
        """Whether there is one."""
        self._progress.stage("list", self._records.accepted())
        try:
            for rows in _chunks(self._rows()):
                join.load_rows([(_id(row), bytes.fromhex(fingerprint(row))) for row in rows])
                self._progress.advance(len(rows))
        except NoList:
            return False
        return True

    def _read_again(self, join: Join, *, listed: bool) -> None:
        """Whatever may have changed since the records were read."""
        for ids in join.unknown_chunks():
            join.update(ids, self._records.read(ids))
        if listed:
            join.match()
        self._reread(join, UNSETTLED)
        for ids in join.chunks(LISTED_DIFFERENT):
            # A fingerprint is as old as its transaction; the content itself decides.
            join.rematch((bytes.fromhex(fingerprint(loads(payload))), name) for name, payload in self._contents(ids))

    def _reread(self, join: Join, condition: str) -> None:
        self._progress.stage("again", join.count(condition))
        for ids in join.chunks(condition):
            join.update(ids, self._records.read(ids))
            self._progress.advance(len(ids))

    def _ask(self, join: Join, condition: str) -> int:
        """GET each; how many."""
        total = join.count(condition)
        if not total:
            return 0
        self._progress.stage("ask", total)
        with self._lookups.open() as lookups:
            for ids in join.chunks(condition):
                contents = self._contents(ids)
                join.update(ids, self._records.read([name for name, _ in contents]))
                join.answer(lookups.ask(contents))
                self._progress.advance(len(ids))
            lookups.check()
        return total

    def _contents(self, ids: list[str]) -> list[tuple[str, bytes]]:
        """(id, payload) of those that are still there: somebody may have cleaned up."""
        payloads = self._records.payloads(ids)
        gone = [name for name, payload in zip(ids, payloads, strict=True) if payload is None]
        if gone and (damaged := self._records.read(gone)):
            raise StoreUnavailable(f"the content of {damaged[0].id} is lost")
        return [(name, payload) for name, payload in zip(ids, payloads, strict=True) if payload is not None]

    def _report(self, join: Join, began_ms: int, asked: int, *, listed: bool) -> Report:
        counts = join.judge()
        findings = {verdict.value: join.findings(verdict, LISTED) for verdict in _SHOWN if counts[verdict]}
        unknown_ids, unknown_rows = join.unknown_counts()
        if unknown_ids:
            findings["unknown"] = join.unknown(LISTED)
        return Report(
            began_ms=began_ms,
            ended_ms=self._now_ms(),
            counts=counts,
            evidence=join.evidence(),
            listed=join.rows_listed() if listed else None,
            asked=asked,
            only_by_get=join.count("asked = 1 AND rows = 1") if listed else 0,
            unknown_ids=unknown_ids,
            unknown_rows=unknown_rows,
            digest=_digest(join.ids()),
            findings=findings,
        )

    def _now_ms(self) -> int:
        return round(self._wall_s() * 1000)


@contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise room(error) from error


def _chunks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while chunk := list(islice(rows, CHUNK)):
        yield chunk


def _id(row: Row) -> str:
    """A row whose id is no text is nobody's; it is shown as what it is."""
    found = row.get("id")
    return found if isinstance(found, str) else f"({found!r:.80})"


def _digest(ids: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for name in ids:
        digest.update(name.encode() + b"\n")
    return digest.hexdigest()
