"""What is counted, each counter once: its field of the hash `count`, its unit, its metric, and what it means."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from txn.model.outcome import Cause
from txn.model.transaction import ErrorCode, Evidence

#: Upper ends of the buckets of submit-to-completed, as settle.lua has them; slower ones are in `inf`.
END_TO_END_MS = (10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 1800000)
END_TO_END_BUCKETS = (*map(str, END_TO_END_MS), "inf")


@dataclass(frozen=True, slots=True)
class Counter:
    """`level`: a gauge: how many there are now, else how many there have been. `metric`: behind `txn_`, or none."""

    words: str
    metric: str = ""
    level: bool = False
    unit: str = "transactions"
    #: Of one counter for each of some values: the label of the metric, the values, and where its fields begin.
    label: str = ""
    values: tuple[str, ...] = ()
    stem: str = ""

    def read(self, name: str, found: Mapping[str, int]) -> Any:
        """Its number, or its numbers by value."""
        if not self.values:
            return found.get(name, 0)
        return {value: found.get(f"{self.stem}:{value}", 0) for value in self.values}


def _total(words: str, metric: str = "", unit: str = "transactions") -> Any:
    return field(default=0, metadata={"counter": Counter(words, metric, unit=unit)})


def _level(words: str, metric: str, unit: str = "transactions") -> Any:
    return field(default=0, metadata={"counter": Counter(words, metric, level=True, unit=unit)})


def _by(values: Iterable[str], stem: str, words: str, metric: str = "", label: str = "") -> Any:
    counter = Counter(words, metric, label=label, values=tuple(str(value) for value in values), stem=stem)
    return field(default_factory=dict, metadata={"counter": counter})


@dataclass(frozen=True, slots=True)
class Totals:
    """Raised and lowered by the scripts, together with the record that they are about."""

    pending: int = _level("Transactions that wait for a delivery, or for the time of the next", "waiting")
    processing: int = _level("Transactions that a worker holds", "processing")
    in_doubt: int = _level("Unfinished transactions whose POST may still turn up", "in_doubt")
    retrying: int = _level("Unfinished transactions that have failed at least once", "retrying")
    sent_away: int = _level("Unfinished transactions that are not let in (403, 429, ...) while others are", "sent_away")
    dead: int = _level("Failed transactions that nobody has replayed or discarded", "dead_letters")
    accepted: int = _total("Transactions accepted: acknowledged to a client, on disk", "accepted")
    completed: int = _total("Transactions completed")
    failed: int = _total("Transactions failed")
    attempts: int = _total("Claims that may post", unit="claims")
    failed_attempts: int = _total("Claims that may post and did not complete", unit="claims")
    released: int = _total("Deliveries given back before anything was sent", unit="deliveries")
    rescued: int = _total("Transactions brought back after their wake-up was lost or their worker died", "rescued")
    reaped: int = _total("Messages taken back from workers that died", "reaped", "messages")
    mended: int = _total(
        "Index entries and counters that did not agree with the records and were corrected", "mended", "entries"
    )
    replayed: int = _total("Dead letters replayed by an operator", "replayed")
    discarded: int = _total("Dead letters taken off the list by an operator", "discarded")
    callbacks_waiting: int = _level(
        "Callbacks that are due, or wait for their next try", "callbacks_waiting", "callbacks"
    )
    callbacks_dead: int = _level(
        "Callbacks that were given up, and that nobody has replayed or discarded", "callbacks_dead", "callbacks"
    )
    callbacks_told: int = _total("Callbacks that their receivers have answered with 2xx", "callbacks_told", "callbacks")
    callbacks_failed: int = _total("Sendings of callbacks that have failed", "callbacks_failed", "sendings")
    late_settles: int = _total(
        "Settles refused because the transaction was no longer the worker's", "fence_rejected", "settles"
    )
    late_posted: int = _total(
        "Refused settles that carried a 200 or 201: the log names each at ERROR", "possible_doubles", "settles"
    )
    shed_by: Mapping[str, int] = _by(
        ("unfinished", "memory", "rate"), "shed", "Submits refused because of a limit, by which", "shed", "limit"
    )
    end_to_end_ms: int = _total("From the submit or the latest replay to completed, all together", unit="ms")
    completed_by: Mapping[str, int] = _by(
        Evidence, "completed", "Transactions completed, by how it was seen", "completed", "evidence"
    )
    failed_by: Mapping[str, int] = _by(ErrorCode, "failed", "Transactions failed, by error code", "failed", "code")
    retried_by: Mapping[str, int] = _by(Cause, "retried", "Deliveries that have to be repeated, by why")
    end_to_end: Mapping[str, int] = _by(
        END_TO_END_BUCKETS, "end_to_end", "From the submit or the latest replay to completed, by bucket"
    )

    @classmethod
    def of(cls, found: Mapping[str, int]) -> Self:
        """From the fields of the hash; what is not there is 0."""
        return cls(**{name: counter.read(name, found) for name, counter in COUNTERS.items()})

    @property
    def outcomes(self) -> Mapping[str, int]:
        """How deliveries have ended, named as in a transaction's timeline."""
        return {**self.completed_by, **self.failed_by, **self.retried_by, "released": self.released}


#: By the name of the field.
COUNTERS: Mapping[str, Counter] = {one.name: one.metadata["counter"] for one in fields(Totals)}
