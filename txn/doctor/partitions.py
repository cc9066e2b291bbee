"""Partitions: whether each of them can be asked."""

from collections.abc import Iterator

from txn.doctor.finding import Finding, Level
from txn.readers.statistics import Statistics


def check(count: int, statistics: Statistics) -> Iterator[Finding]:
    """`count`: how many there are."""
    for away in statistics.away:
        do = "its transactions wait, and submits of its ids are refused; the others go on"
        yield Finding("partitions", Level.BAD, away, do)
    if not statistics.away:
        yield Finding("partitions", Level.OK, f"all {count} answer")
