"""Scripts in which one write fails, and everything that must be exact afterwards.

The real Lua with one change: each write to Redis is counted, and the one that a test names fails, by a real error of
the server. It fails once; or its command fails on its key until somebody repairs that, as after a right was taken away
or a key got another type; or on one field of it, as when a counter is no number.
"""

import contextlib
import functools
import re
import secrets
from collections import Counter
from collections.abc import Callable
from typing import Any, Self

import redis

from ops.mock_posting.client import MockPosting
from tests.crash.world import BrokenPromise
from tests.parts import Clock, Parts, clear, submission
from txn.clock import boot_ms
from txn.delivery.blocking_steps import BlockingSteps, run
from txn.delivery.rules import Rules
from txn.errors import SettleLost, StoreUnavailable
from txn.model.transaction import Transaction
from txn.posting.curl import CurlTransport
from txn.posting.service import PostingService
from txn.settings import Settings
from txn.store import scripts
from txn.store.callbacks import Callbacks, Room, Sent
from txn.store.listing import Listing, Wanted
from txn.store.messages import DEAD_AFTER_MS

#: Characters of every prefix.
PREFIX = 9
DAY_MS = 86_400_000
FAULT, BROKEN, STRUCK = "half:fault", "half:broken", "half:struck"

_INJECTED = """
local WRITES = {}
local names = 'SET HSET HSETNX HINCRBY HDEL EXPIRE PEXPIRE ZADD ZREM SADD SREM LPUSH RPUSH LPOP RPOP DEL XADD XDEL'
for name in names:gmatch('%u+') do WRITES[name] = true end
local script, number, mode = (redis.call('GET', 'half:fault') or ''):match('^(%S+) (%d+) (%S+)$')
local broken, writes = redis.call('GET', 'half:broken'), 0
-- What is broken: a command on a key, without our prefix and without the minute; of a counter perhaps one field.
local function named(command, key, field)
    local name = command .. ' ' .. tostring(key):sub(@PREFIX@):gsub('%d+$', '')
    name = name:gsub(('%x'):rep(40), '*')
    return mode == 'field' and name .. ' ' .. tostring(field) or name
end
local function faulted(...)
    local command = ...
    if script == '@NAME@' and WRITES[command] then
        writes = writes + 1
        local name = named(...)
        if name == broken or (not broken and writes == tonumber(number)) then
            if mode == 'once' then script = '' else broken = name end
            redis.call('SET', 'half:struck', name)
            if mode == 'once' then redis.call('DEL', 'half:fault') else redis.call('SET', 'half:broken', name) end
            redis.call('HSET', 'half:struck', 'a', 'b')
        end
    end
    return redis.call(...)
end
local function attempted(...)
    local ok, reply = pcall(faulted, ...)
    return ok and reply or { err = tostring(reply) }
end
"""

_text_of = scripts.text_of


def faulty_text_of(body: str) -> str:
    """In place of `scripts.text_of`."""
    return _faulty(body, _text_of)


@functools.cache
def _faulty(body: str, text_of: Callable[[str], str]) -> str:
    found = re.search(r"^-- (\w+):", body)
    assert found is not None
    text = text_of(body).replace("redis.call", "faulted").replace("redis.pcall", "attempted")
    return _INJECTED.replace("@NAME@", found[1]).replace("@PREFIX@", str(PREFIX + 1)) + text


#: Times are those of a moved clock, but for the posting service's deadline: no call here comes near it, so that none
#: can be given up and land when the clock has been moved beyond the doubt window.
SETTINGS = Settings(
    posting_timeout_ms=20_000, margin_ms=50, lease_ms=61_000, doubt_window_ms=20_000, grace_ms=1_000, max_attempts=3
)


class Rig:
    """Parts, a posting service and a worker that are stepped by hand."""

    def __init__(self, url: str, prefix: str, mock: MockPosting, witness: redis.Redis | None = None) -> None:
        """`witness` sees everything, whatever txn may do."""
        self.clock, self.mock = Clock(), mock
        self.parts = Parts(url, SETTINGS.model_copy(update={"prefix": prefix}), self.clock)
        self.witness = witness or self.parts.client
        self.transport = CurlTransport(mock.url)
        posting = PostingService(self.transport, SETTINGS.posting_timeout_ms)
        steps = BlockingSteps(self.parts.store, posting)
        self.rules = Rules(steps, self.parts.settings, lambda: 0.5, lambda: boot_ms() + self.clock())
        self.messages = self.parts.messages("worker")
        self.acked: list[str] = []
        self.told: set[str] = set()
        self.callbacks = Callbacks(self.parts.database)
        self.heard: set[tuple[str, Transaction]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.witness.delete(FAULT, BROKEN, STRUCK)
        clear(self.witness, self.parts.settings.prefix)
        self.parts.client.close()
        self.transport.close()

    def break_write(self, script: str, number: int, mode: str, broken: str = "") -> None:
        """`broken`: what has struck at this place before, to be broken from the beginning."""
        self.parts.client.set(FAULT, f"{script} {number} {mode}")
        if broken:
            self.parts.client.set(BROKEN, broken)

    def repair(self) -> str:
        """What was broken, or nothing if it was never come to."""
        struck: Any = self.parts.client.get(STRUCK)
        self.parts.client.delete(FAULT, BROKEN, STRUCK)
        return "" if struck is None else struck.decode()

    def accept(self, transaction_id: str) -> None:
        self.parts.store.accept(submission(transaction_id))
        self.told.add(transaction_id)
        self.stored_whole(transaction_id)

    def stored_whole(self, transaction_id: str) -> None:
        keys, client = self.parts.keys, self.witness
        due = client.zscore(keys.due, transaction_id) is not None
        if not (due and client.exists(keys.payload(transaction_id)) and client.exists(keys.record(transaction_id))):
            raise BrokenPromise(f"{transaction_id} is acknowledged and not stored whole")

    def deliver(self, transaction_id: str) -> None:
        """What the actor and its middleware do."""
        owner = secrets.token_urlsafe(8)
        try:
            run(self.rules.deliver(transaction_id, owner))
        except SettleLost:
            raise
        except StoreUnavailable as error:
            with contextlib.suppress(StoreUnavailable):
                run(self.rules.give_up(transaction_id, owner, error))
            raise

    def work(self) -> None:
        """One round of everything that a worker process does, whatever fails."""
        for step in (lambda: self.parts.store.due(100), self.messages.heartbeat, self._take, self.tell):
            with contextlib.suppress(StoreUnavailable):
                step()

    def tell(self, how: Sent = "told") -> None:
        """What the sender of callbacks does."""
        owner = secrets.token_urlsafe(8)
        for callback in self.callbacks.take(owner, Room(10, 10, 10, 10, {}), SETTINGS.lease_ms, DAY_MS):
            self.heard.add((callback.name, callback.transaction))
            self.callbacks.sent(callback.name, owner, how, wait_ms=1_000, why="because", give_up_ms=DAY_MS)

    def _take(self) -> None:
        try:
            acked, self.acked = self.acked, []
            fetched = self.messages.fetch(10, acked)
        except StoreUnavailable:
            self.acked += acked
            self.messages.requeue_all_but(self.acked)
            raise
        for name, body in fetched:
            found = re.search(rb'"args":\["([^"]+)"\]', body)
            assert found is not None
            with contextlib.suppress(StoreUnavailable):
                self.deliver(found[1].decode())
            self.acked.append(name)

    def run_to_quiet(self) -> None:
        client, keys = self.parts.client, self.parts.keys
        for _ in range(60):
            self.work()
            self.work()
            first: Any = client.zrange(keys.due, 0, 0, withscores=True)
            lane: Any = client.zrange(keys.callbacks, 0, 0, withscores=True)
            first = first or lane
            if not first and not client.llen(keys.messages) and not self.acked:
                if not client.keys(f"{keys.acks}*"):
                    return
                self.clock.forward(DEAD_AFTER_MS + 1_000)  # until the reaper comes for what the dead hold
                self.messages.requeue_all_but(())
            to_first = round(first[0][1]) - self.parts.read_statistics().now_ms if first else 0
            is_calm = client.hmget(keys.posting, "breaker", "paused", "limited", "hold_until") == [None] * 4
            to_probe = 0 if is_calm else 2_000
            self.clock.forward(max(to_first, to_probe) + 1)
        raise BrokenPromise(f"not quiet: {client.zrange(keys.due, 0, -1, withscores=True)}")

    def check(self) -> None:
        """Ledger, counters and indexes, when all is quiet. Raises: BrokenPromise."""
        rows = Counter(row["id"] for row in self.mock.rows())
        stem = self.parts.keys.record("")
        keys: Any = self.parts.client.keys(f"{stem}*")
        ids = [key.decode()[len(stem) :] for key in keys]
        records = {name: self.parts.record(name) for name in ids}
        if missing := self.told - set(ids):
            raise BrokenPromise(f"acknowledged and gone: {missing}")
        for name, record in records.items():
            expected = 1 if record["status"] == "completed" else 0
            if record["status"] not in ("completed", "failed") or rows[name] != expected:
                raise BrokenPromise(f"{rows[name]} rows of {name}: {record}")
            if left := set(record) & {"lease", "mode", "next", "failing", "uncertain", "message", "queued"}:
                raise BrokenPromise(f"{name} still has {left}")
        self._check_counters(records)
        self._check_feed(records)
        self._check_indexes(records)
        self._check_callbacks(records)
        self._check_listing(records)

    def _check_counters(self, records: dict[str, dict[str, str]]) -> None:
        found_now: Any = self.parts.client.hgetall(self.parts.keys.count)
        counts = Counter({name.decode(): int(value) for name, value in found_now.items()})
        completed = [record for record in records.values() if record["status"] == "completed"]
        failed = [record for record in records.values() if record["status"] == "failed"]
        letters = [record for record in failed if "discarded" not in record]
        expected = {
            "accepted": len(records),
            "completed": len(completed),
            "dead": len(letters),
            **dict.fromkeys(("pending", "processing", "retrying", "in_doubt", "sent_away"), 0),
        }
        wrong = {name: (counts[name], number) for name, number in expected.items() if counts[name] != number}
        if counts["failed"] - counts["replayed"] != len(failed):
            wrong["failed"] = (counts["failed"], counts["replayed"] + len(failed))
        for evidence, number in Counter(record["evidence"] for record in completed).items():
            if counts[f"completed:{evidence}"] != number:
                wrong[evidence] = (counts[f"completed:{evidence}"], number)
        minutes: Counter[str] = Counter()
        keys: Any = self.parts.client.keys(f"{self.parts.keys.minute}*")
        for key in keys:
            found: Any = self.parts.client.hgetall(key)
            minutes.update({name.decode(): int(value) for name, value in found.items()})
            if self.parts.client.ttl(key) < 0 and any(int(value) for value in found.values()):
                raise BrokenPromise(f"{key!r} never expires")
        wrong |= {name: (counts[name], number) for name, number in minutes.items() if counts[name] != number}
        if wrong:
            raise BrokenPromise(f"counters (is, must be): {wrong}")

    def _check_feed(self, records: dict[str, dict[str, str]]) -> None:
        """Each change once: the last one of a record is what it says now."""
        entries: Any = self.parts.client.xrange(self.parts.keys.changes)
        changes = [fields[b"change"].decode().split(" ") for _, fields in entries]
        said = [(change[0], change[1]) for change in changes]
        latest = dict(said)
        if wrong := {name: latest.get(name) for name, one in records.items() if latest.get(name) != one["status"]}:
            raise BrokenPromise(f"the feed says {wrong}")
        counts: Any = self.parts.client.hgetall(self.parts.keys.count)
        for status, counter in (("completed", b"completed"), ("failed", b"failed"), ("pending", b"replayed")):
            told, done = sum(one == status for _, one in said), int(counts.get(counter, 0))
            if told != done:
                raise BrokenPromise(f"the feed says {status} {told} times, it was so {done} times")

    def _check_callbacks(self, records: dict[str, dict[str, str]]) -> None:
        """Each end of those that want one was heard, under one name, and nothing is left but what was given up."""
        client, keys = self.parts.client, self.parts.keys
        for name, record in records.items():
            wanted = {self.parts.store.read(name)} if "callback" in record else set()
            heard = [told for _, told in self.heard if told.id == name]
            if set(heard) != wanted or len(heard) != len(wanted):
                raise BrokenPromise(f"of {name} was heard {heard}, not {wanted}")
        dead: Any = client.zrange(keys.callbacks_dead, 0, -1)
        left = {keys.callback(one.decode()) for one in dead} | ({keys.callbacks_dead} if dead else set())
        found = {key.decode() for key in client.scan_iter(f"{keys.callbacks}*")}
        counts = [int(one or 0) for one in client.hmget(keys.count, "callbacks_waiting", "callbacks_dead")]
        if found != left or counts != [0, len(dead)]:
            raise BrokenPromise(f"callbacks: {found}, not {left}, and counted {counts}")

    def _check_listing(self, records: dict[str, dict[str, str]]) -> None:
        listed = [one.id for one in Listing(self.parts.database).read(Wanted(), 1_000).transactions]
        if sorted(listed) != sorted(records):
            raise BrokenPromise(f"there are {sorted(records)}, listed are {sorted(listed)}")

    def _check_indexes(self, records: dict[str, dict[str, str]]) -> None:
        client, keys = self.parts.client, self.parts.keys
        letters = {name for name, one in records.items() if one["status"] == "failed" and "discarded" not in one}
        by_code = {keys.failed: letters, keys.dead_messages: letters}
        for code in ("rejected", "exhausted", "conflict", "undecided", "crashed_worker", "expired", "cancelled"):
            by_code[f"{keys.failed}:{code}"] = {name for name in letters if records[name]["code"] == code}
        by_code[keys.discarded] = {name for name, one in records.items() if "discarded" in one}
        with client.pipeline(transaction=False) as pipeline:
            for index in by_code:
                pipeline.zrange(index, 0, -1)
            indexes = pipeline.execute()
        for (index, expected), found in zip(by_code.items(), indexes, strict=True):
            if {name.decode() for name in found} != expected:
                raise BrokenPromise(f"{index} holds {found}, not {expected}")
        bodies: Any = client.hkeys(keys.dead_message_bodies)
        if {name.decode() for name in bodies} != letters:
            raise BrokenPromise(f"dead letters' messages: {bodies}")
        left: Any = [client.hkeys(keys.message_bodies), client.keys(f"{keys.acks}*"), client.zrange(keys.due, 0, -1)]
        if any(left):
            raise BrokenPromise(f"messages, ack sets, due: {left}")
