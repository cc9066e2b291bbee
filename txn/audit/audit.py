"""Compares every accepted transaction with what the posting service holds, while both go on working.

The records are read first and the list after them, so that whatever was completed then must be in the list. What could
have changed since is read again: records that were unfinished, ids in the list that were not known, and, with a GET for
each, what was completed and is not in the list. If a GET finds what a list left out, the list is read once more: it may
only have lagged. If it leaves it out again, it is not the whole list, and proves nothing about doubles.
"""

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any, Protocol

from txn.audit.ids import kept_id
from txn.audit.join import (
    COMPLETED_NOT_LISTED,
    FAILED_BUT_THERE,
    FAILED_NOT_LISTED,
    LEFT_OUT,
    LISTED_DIFFERENT,
    ONLY_BY_GET,
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
from txn.posting.listing import NoList, PostingUnavailable
from txn.readers.records import CHUNK, RecordReader
from txn.store.integrity import Flaw

Row = Mapping[str, Any]
Entry = tuple[str, bytes]

_SHOWN = (*BROKEN, Verdict.UNANSWERED, Verdict.TO_DECIDE, Verdict.DISCARDED, Verdict.UNREADABLE)
#: Before a list that left something out is read again.
LAG_S = 2.0


class Progress(Protocol):
    """Is told how far the audit is."""

    def stage(self, name: str, total: int | None) -> None:
        """What is done from now on, and about how many, if known.

        `integrity`, `records`, `list`, `join`, `again`, `ask` or `judge`.
        """

    def advance(self, count: int) -> None:
        """So many more."""


class Audit:
    """One run. `rows` reads the list (`PostingList.rows`); `integrity` compares records with what is said of them."""

    def __init__(
        self,
        records: RecordReader,
        rows: Callable[[], Iterator[Row]],
        lookups: Lookups,
        integrity: Callable[[], list[Flaw]],
        progress: Progress,
        wall_s: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._records, self._rows, self._lookups = records, rows, lookups
        self._integrity, self._progress, self._wall_s, self._sleep = integrity, progress, wall_s, sleep

    def run(self) -> Report:
        """Compare everything.

        Raises: Unavailable, if one of the two sides, or the temporary file, cannot be read to its end; BadSettings.
        """
        began_ms = self._now_ms()
        self._progress.stage("integrity", None)
        flaws = self._integrity()
        with _disk(), Join() as join:
            self._read_records(join)
            listed = self._read_list(join)
            self._progress.stage("join", None)
            join.index()
            self._read_again(join, listed=listed)
            asked = self._ask(join, COMPLETED_NOT_LISTED if listed else SETTLED_NOT_ASKED)
            if listed and join.count(LEFT_OUT):
                asked += self._read_list_again(join)
            if not listed:
                # What was failed when we read it may have been sent on its way again. What was in flight stays that:
                # had it settled meanwhile, nobody has asked about it.
                self._reread(join, FAILED_BUT_THERE)
            self._progress.stage("judge", None)
            return self._report(join, began_ms, asked, flaws, listed=listed)

    def _read_records(self, join: Join) -> None:
        self._progress.stage("records", self._records.accepted())
        for records in self._records.scan():
            join.load_records(records)
            self._progress.advance(len(records))

    def _read_list(self, join: Join) -> bool:
        """Whether there is one."""
        self._progress.stage("list", self._records.accepted())
        try:
            for rows in _chunks(map(_entry, self._rows())):
                join.load_rows(rows)
                self._progress.advance(len(rows))
        except NoList:
            join.forget_list()  # it may have looked like one for a while
            return False
        return True

    def _read_list_again(self, join: Join) -> int:
        """Once more, after a moment; how many had to be asked about."""
        self._sleep(LAG_S)
        join.forget_list()
        if not self._read_list(join):
            raise PostingUnavailable("the posting service had a list and has none any more: audit again")
        join.index_list()
        self._read_again(join, listed=True)
        asked = self._ask(join, COMPLETED_NOT_LISTED)
        if join.count(LEFT_OUT):
            # It is not whole: what it does not hold may be there all the same.
            asked += self._ask(join, FAILED_NOT_LISTED)
        return asked

    def _read_again(self, join: Join, *, listed: bool) -> None:
        """Whatever may have changed since the records were read."""
        for ids in join.unknown_chunks():
            join.update(ids, self._records.read(list(dict.fromkeys([*ids, *map(str.lower, ids)]))))
        if listed:
            join.spell()
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
            if not join.rows_listed():  # a list with rows has shown that the URL is right
                lookups.check()
        return total

    def _contents(self, ids: list[str]) -> list[tuple[str, bytes]]:
        """(id, payload) of those that are still there: somebody may have cleaned up."""
        payloads = self._records.payloads(ids)
        gone = [name for name, payload in zip(ids, payloads, strict=True) if payload is None]
        if gone and (damaged := self._records.read(gone)):
            raise StoreUnavailable(f"the content of {damaged[0].id} is lost")
        return [(name, payload) for name, payload in zip(ids, payloads, strict=True) if payload is not None]

    def _report(self, join: Join, began_ms: int, asked: int, flaws: list[Flaw], *, listed: bool) -> Report:
        counts = join.judge()
        findings = {verdict.value: join.findings(verdict, LISTED) for verdict in _SHOWN if counts[verdict]}
        unknown_ids, unknown_rows = join.unknown_counts()
        if unknown_ids:
            findings["unknown"] = join.unknown(LISTED)
        if like_ours := join.like_ours_count():
            findings["unknown_to_us"] = join.like_ours(LISTED)
        return Report(
            began_ms=began_ms,
            ended_ms=self._now_ms(),
            counts=counts,
            evidence=join.evidence(),
            listed=join.rows_listed() if listed else None,
            asked=asked,
            only_by_get=join.count(ONLY_BY_GET),
            left_out=join.count(LEFT_OUT) if listed else 0,
            unknown_ids=unknown_ids,
            unknown_rows=unknown_rows,
            unknown_to_us=like_ours,
            digest=_digest(join.ids()),
            flaws=flaws,
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


def _entry(row: Row) -> Entry:
    """(id, digest of the content). Whatever others have written there is not ours, and must not end the audit."""
    try:
        digest = bytes.fromhex(fingerprint(row))
    except (ValueError, TypeError, ArithmeticError, RecursionError):
        digest = b""  # no content of ours
    return kept_id(row.get("id")), digest


def _chunks(entries: Iterator[Entry]) -> Iterator[list[Entry]]:
    while chunk := list(islice(entries, CHUNK)):
        yield chunk


def _digest(ids: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for name in ids:
        digest.update(name.encode() + b"\n")
    return digest.hexdigest()
