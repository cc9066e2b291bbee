"""Partitions: whether each of them can be asked, and is on a Redis as it should be."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from txn.doctor.finding import Finding, Level
from txn.errors import StoreUnavailable
from txn.readers.statistics import Statistics
from txn.store.connection import place_of
from txn.store.database import Database


def check(count: int, statistics: Statistics) -> Iterator[Finding]:
    """`count`: how many there are."""
    for away in statistics.away:
        do = "its transactions wait, and submits of its ids are refused; the others go on"
        yield Finding("partitions", Level.BAD, away, do)
    if not statistics.away:
        yield Finding("partitions", Level.OK, f"all {count} answer")


def on_each_node(databases: Sequence[Database], check: Callable[[Database], Iterable[Finding]]) -> Iterator[Finding]:
    """What `check` finds of each node, once; it takes the database of one partition that is there.

    What is not the same of all nodes says which partitions it is about. Of one that is away, nothing is said here.
    """
    nodes: dict[object, list[int]] = {}
    for number, database in enumerate(databases):
        try:
            database.call(lambda client: client.ping())
        except StoreUnavailable:
            continue
        nodes.setdefault(place_of(database.client), []).append(number)
    about: dict[Finding, list[int]] = {}
    for numbers in nodes.values():
        for found in check(databases[numbers[0]]):
            about.setdefault(found, []).extend(numbers)
    there = sum(map(len, nodes.values()))
    for found, numbers in about.items():
        of_which = "" if len(numbers) == there else f" (partitions {', '.join(map(str, sorted(numbers)))})"
        yield replace(found, found=found.found + of_which)
