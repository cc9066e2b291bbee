"""Many dead letters of every kind, somebody who changes them meanwhile, and what a bulk run may then have done."""

import json
import random
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.parts import Parts
from txn.model.dead_letter import Filter
from txn.model.outcome import Clear, Failed
from txn.model.submission import parse_submission
from txn.model.transaction import ErrorCode

CURRENCIES = ("USD", "EUR", "JPY")
DETAILS = ("POST: answered 422", "POST: answered 400, saying: Konto gesperrt", "the GET found other content")
#: From the oldest letter to the newest.
SPAN_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Kind:
    """What filters ask of a letter."""

    code: str
    currency: str
    detail: str
    failed_ms: int


class Letters:
    """They are written as settle leaves them: through the store, ten thousand would take a minute."""

    def __init__(self, parts: Parts, draw: random.Random) -> None:
        self._parts, self._draw = parts, draw
        self.kinds: dict[str, Kind] = {}
        #: id -> how often somebody else has replayed or discarded it.
        self.touched: Counter[str] = Counter()
        self._pending: list[str] = []

    def fill(self, count: int) -> None:
        now_ms = self._parts.read_statistics().now_ms
        for first in range(0, count, 1_000):
            with self._parts.client.pipeline(transaction=False) as pipeline:
                for number in range(first, min(first + 1_000, count)):
                    # Several in one millisecond, too.
                    self._write(pipeline, f"n{number:05}", now_ms - SPAN_MS + number // 3 * (SPAN_MS // count))
                pipeline.execute()

    def _write(self, pipeline: object, name: str, at_ms: int) -> None:
        kind = Kind(self._draw.choice(list(ErrorCode)), *map(self._draw.choice, (CURRENCIES, DETAILS)), at_ms)
        body = json.dumps({"amount": 1, "currency": kind.currency, "description": "x"}).encode()
        content, keys = parse_submission(body), self._parts.keys
        record = {"status": "failed", "submitted": at_ms, "completed": at_ms, "fingerprint": content.fingerprint}
        record |= {"code": kind.code, "detail": kind.detail, "attempts": 1, "owner": "long gone"}
        pipeline.hset(keys.record(name), mapping=record)  # type: ignore[attr-defined]
        pipeline.set(keys.payload(name), content.payload)  # type: ignore[attr-defined]
        for index in (keys.failed, keys.failed_with(kind.code), keys.dead_messages):
            pipeline.zadd(index, {name: at_ms})  # type: ignore[attr-defined]
        pipeline.hset(keys.dead_message_bodies, name, "{}")  # type: ignore[attr-defined]
        pipeline.hincrby(keys.count, "dead", 1)  # type: ignore[attr-defined]
        self.kinds[name] = kind

    def filters(self) -> list[Filter]:
        """Every kind of filter, and some together."""
        times = sorted(kind.failed_ms for kind in self.kinds.values())
        early, late = times[len(times) // 4], times[len(times) * 3 // 4]
        return [
            Filter(currency="EUR"),
            Filter(text="ANSWERED"),
            Filter(code="conflict"),
            Filter(since_ms=early, until_ms=late),
            Filter(text="konto", currency="USD"),
            Filter("rejected", early, late, "JPY", "answered"),
            Filter(code="exhausted", currency="USD"),
            Filter(),
            Filter(discarded=True),
            Filter("conflict", currency="EUR", discarded=True),
        ]

    def matching(self, wanted: Filter) -> set[str]:
        """The ids that a person would count, from what is written and not from an index."""
        keys = self._parts.keys
        index = keys.discarded if wanted.discarded else keys.failed
        there = {str(name, "utf-8") for name in self._parts.client.zrange(index, 0, -1)}
        return {name for name in there if self._matches(wanted, self.kinds[name])}

    def _matches(self, wanted: Filter, kind: Kind) -> bool:
        return (
            wanted.code in ("", kind.code)
            and (wanted.since_ms or 0) <= kind.failed_ms <= (wanted.until_ms or 2**53)
            and wanted.currency in ("", kind.currency)
            and wanted.text.casefold() in kind.detail.casefold()
        )

    def change(self, times: int) -> None:
        """What happens beside a run: others replay and discard, what was replayed fails again, new ones fail."""
        for _ in range(times):
            self._draw.choice((self._others, self._others, self._fail_again, self._fail_anew))()

    def _others(self) -> None:
        chosen = self._draw.sample(sorted(self.kinds), 3)
        if self._draw.random() < 0.5:
            done = self._parts.operations.replay(chosen, "vic").done
            self._pending += done
        else:
            done = self._parts.operations.discard(chosen, "vic", "by hand").done
        self.touched.update(done)

    def _fail_again(self) -> None:
        if self._pending:
            self._settle(self._pending.pop(self._draw.randrange(len(self._pending))))

    def _fail_anew(self) -> None:
        self._settle(self._parts.accept(f"new{len(self.kinds)}"))

    def _settle(self, name: str) -> None:
        claim = self._parts.claim(name)
        if claim is None:  # it waits for its doubt
            return
        code, detail = self._draw.choice(list(ErrorCode)), self._draw.choice(DETAILS)
        self._parts.settle(claim, Failed(code, detail, Clear()), answered=True)
        currency = self.kinds[name].currency if name in self.kinds else "USD"
        self.kinds[name] = Kind(code, currency, detail, int(self._parts.record(name)["completed"]))

    def done_by(self, run_id: str) -> set[str]:
        """To the id: whose history says so."""
        names = list(self.kinds)
        with self._parts.client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.hget(self._parts.keys.record(name), "history")
            found = pipeline.execute()
        said = f'"run":"{run_id}"'.encode()
        counts = {name: (history or b"").count(said) for name, history in zip(names, found, strict=True)}
        assert max(counts.values()) <= 1, "a run has done something twice"
        return {name for name, count in counts.items() if count}


def minute(ms: int) -> str:
    """For a query, to the millisecond."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
