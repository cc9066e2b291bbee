import asyncio
import os
import signal
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any

import pytest
import redis

from ops.redis_server import RedisServer
from tests.parts import Clock, Parts, submission
from tests.proxy import CuttingProxy
from txn.errors import StoreRefuses, StoreUnavailable
from txn.model.outcome import Completed, Settlement
from txn.model.transaction import Evidence
from txn.settings import Settings
from txn.store import flusher as module
from txn.store.connection import connect
from txn.store.database import Database, ScriptCall
from txn.store.flusher import MOST, Flusher
from txn.store.group_commit import GroupCommit

PUSHED = 3 * MOST


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many calls each round trip carries."""
    found: list[int] = []

    class Counting(GroupCommit):
        def exchange(self, packed: Sequence[bytes]) -> list[Any]:
            found.append(len(packed))
            return super().exchange(packed)

    monkeypatch.setattr(module, "GroupCommit", Counting)
    return found


def push(parts: Parts, number: int, repeats: int = 0) -> ScriptCall:
    return ScriptCall("push", [parts.keys.messages, parts.keys.message_bodies], [f"m{number}", b"body"], repeats)


async def all_of(flusher: Flusher, calls: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
    try:
        return await asyncio.gather(*calls, return_exceptions=True)
    finally:
        flusher.close()


def run(database: Database, *calls: ScriptCall) -> list[Any]:
    """All on one tick."""

    async def main() -> list[Any]:
        flusher = Flusher(database)
        return await all_of(flusher, [flusher.run(call) for call in calls])

    return asyncio.run(main())


def test_calls_of_one_tick_share_round_trips_of_a_bounded_size(parts: Parts, sizes: list[int]) -> None:
    parts.client.script_load(parts.database.scripts.texts()["push"][1])
    assert not any(
        isinstance(reply, Exception) for reply in run(parts.database, *(push(parts, n) for n in range(PUSHED)))
    )
    assert sizes == [MOST] * 3
    assert parts.queued() == [f"m{number}" for number in range(PUSHED)]


def test_a_script_that_the_server_does_not_know_is_sent_with_its_text(parts: Parts) -> None:
    parts.client.script_flush()
    run(parts.database, push(parts, 1), push(parts, 2))
    assert sorted(parts.queued()) == ["m1", "m2"]


def test_an_error_of_one_call_is_not_its_neighbours(parts: Parts) -> None:
    parts.client.set("of another type", "")
    wrong = ScriptCall("push", ["of another type", parts.keys.message_bodies], ["m0", b""])
    first, second, third = run(parts.database, push(parts, 1), wrong, push(parts, 3))
    assert isinstance(second, StoreUnavailable)
    assert not isinstance(first, Exception)
    assert not isinstance(third, Exception)
    assert parts.queued() == ["m1", "m3"]


def test_claims_and_settles_are_those_of_the_store(parts: Parts) -> None:
    name = parts.accept()

    async def main() -> None:
        flusher = Flusher(parts.database)
        claim = parts.store.claimed(name, "me", await flusher.run(parts.store.claiming(name, "me")))
        assert claim is not None
        settled = Settlement(Completed(Evidence.POSTED))
        reply = await flusher.run(parts.store.settling(name, claim.owner, settled))
        assert parts.store.settled(reply) == "settled"
        flusher.close()

    asyncio.run(main())
    assert parts.status(name) == "completed"


@pytest.fixture
def through(valkey: RedisServer, settings: Settings, clock: Clock) -> Iterator[tuple[Parts, CuttingProxy]]:
    with CuttingProxy(valkey.port) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}/0"
        with Parts(url, settings, clock) as parts:
            yield parts, proxy


def test_a_cut_connection_fails_what_was_on_it_and_nothing_after(through: tuple[Parts, CuttingProxy]) -> None:
    parts, proxy = through
    parts.client.ping()

    async def main() -> None:
        flusher = Flusher(parts.database)
        await flusher.run(push(parts, 0))
        proxy.cut_answers()
        lost = await asyncio.gather(*(flusher.run(push(parts, n)) for n in (1, 2)), return_exceptions=True)
        assert [type(reply) for reply in lost] == [StoreUnavailable] * 2
        proxy.mend()
        await flusher.run(push(parts, 3))
        flusher.close()

    asyncio.run(main())


def test_a_claim_whose_answer_is_lost_is_repeated_by_its_nonce(through: tuple[Parts, CuttingProxy]) -> None:
    parts, proxy = through
    name = parts.store.accept(submission())[0].id

    async def main() -> None:
        flusher = Flusher(parts.database)
        proxy.cut_answers(b"a-nonce")
        claiming = asyncio.create_task(flusher.run(parts.store.claiming(name, "a-nonce")))
        await asyncio.to_thread(proxy.was_cut.wait, 10)
        proxy.mend()
        claim = parts.store.claimed(name, "a-nonce", await claiming)
        assert claim is not None
        assert claim.attempts == 1
        flusher.close()

    asyncio.run(main())
    assert proxy.cuts == 1


def test_who_waits_behind_a_server_that_hangs_does_not_wait_as_long_again(
    own_server: RedisServer, settings: Settings, sizes: list[int]
) -> None:
    client = connect(own_server.url, timeout_ms=2_000)
    with Parts(own_server.url, settings, Clock()) as parts:
        database = Database(client, parts.keys)

        async def main() -> None:
            flusher = Flusher(database)
            await flusher.run(push(parts, 0))
            sizes.clear()
            assert own_server.process is not None
            os.kill(own_server.process.pid, signal.SIGSTOP)
            try:
                first = asyncio.create_task(flusher.run(push(parts, 1)))
                while not sizes:
                    await asyncio.sleep(0.001)
                rest = [asyncio.create_task(flusher.run(push(parts, n))) for n in range(2, 2 + PUSHED)]
                replies = await asyncio.gather(first, *rest, return_exceptions=True)
            finally:
                os.kill(own_server.process.pid, signal.SIGCONT)
            assert {type(reply) for reply in replies} == {StoreUnavailable}
            assert sizes == [1], "what waited was never sent"
            flusher.close()

        asyncio.run(main())
    client.close()


def test_a_server_that_takes_no_writes_says_so(own_server: RedisServer, settings: Settings) -> None:
    with Parts(own_server.url, settings, Clock()) as parts:
        parts.client.replicaof("127.0.0.1", "1")
        [reply] = run(parts.database, push(parts, 1))
        assert isinstance(reply, StoreRefuses)


def test_what_was_cancelled_keeps_its_place_and_nobody_elses_reply(parts: Parts) -> None:
    async def main() -> list[Any]:
        flusher = Flusher(parts.database)
        tasks = [asyncio.create_task(flusher.run(push(parts, number))) for number in range(5)]
        await asyncio.sleep(0)
        tasks[2].cancel()
        return await all_of(flusher, [asyncio.wait_for(task, 60) for task in tasks])

    replies = asyncio.run(main())
    assert [isinstance(reply, asyncio.CancelledError) for reply in replies] == [False, False, True, False, False]
    assert parts.queued()[-2:] == ["m3", "m4"]


def test_an_error_within_the_client_does_not_leave_anybody_waiting(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise ValueError("a fault of the client")

    monkeypatch.setattr(GroupCommit, "exchange", fail)
    [reply] = run(parts.database, push(parts, 1))
    assert isinstance(reply, StoreUnavailable)
    assert isinstance(reply.__cause__, redis.ConnectionError)
