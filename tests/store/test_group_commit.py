import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import redis

from ops.redis_server import RedisServer
from tests.proxy import CuttingProxy
from txn.store.connection import connect
from txn.store.group_commit import GroupCommit


class GatedCommit(GroupCommit):
    """Stands still before its first round trip, until the gate opens; notes how many calls each one carries."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__(client)
        self.gate, self.stands, self.sizes = threading.Event(), threading.Event(), list[int]()
        self.interruption: BaseException | None = None

    def exchange(self, packed: Sequence[bytes]) -> list[Any]:
        self.sizes.append(len(packed))
        self.stands.set()
        assert self.gate.wait(60)
        if self.interruption:
            interruption, self.interruption = self.interruption, None
            raise interruption
        return super().exchange(packed)

    def connect(self) -> None:
        """So that the first call need not."""
        super()._connected()

    def waiting(self) -> int:
        with self._lock:
            return len(self._waiting)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as found:
        yield found


def behind_a_standing_sender(
    group: GatedCommit, pool: ThreadPoolExecutor, commands: Sequence[Sequence[str]]
) -> list[Future[Any]]:
    """The first command is on its way; all others wait for it."""
    first = pool.submit(group.call, *commands[0])
    assert group.stands.wait(60)
    others = [pool.submit(group.call, *command) for command in commands[1:]]
    while group.waiting() < len(others):
        threading.Event().wait(0.001)
    return [first, *others]


def test_every_thread_gets_the_reply_to_its_own_command(server: RedisServer, pool: ThreadPoolExecutor) -> None:
    with connect(server.url, timeout_ms=30_000) as client:
        group = GroupCommit(client)
        texts = [f"text {number}" for number in range(2_000)]
        assert list(pool.map(lambda text: group.call("ECHO", text), texts)) == [text.encode() for text in texts]


def test_all_who_come_while_one_is_sending_share_the_next_round_trip(
    server: RedisServer, pool: ThreadPoolExecutor
) -> None:
    with connect(server.url, timeout_ms=30_000) as client:
        group = GatedCommit(client)
        calls = behind_a_standing_sender(group, pool, [["ECHO", str(number)] for number in range(10)])
        group.gate.set()
        assert [call.result(60) for call in calls] == [str(number).encode() for number in range(10)]
        assert group.sizes == [1, 9]


def test_a_command_that_is_refused_fails_alone(server: RedisServer, pool: ThreadPoolExecutor) -> None:
    with connect(server.url, timeout_ms=30_000) as client:
        group = GatedCommit(client)
        calls = behind_a_standing_sender(group, pool, [["ECHO", "a"], ["ECHO", "b"], ["NONSENSE"], ["ECHO", "c"]])
        group.gate.set()
        assert [calls[number].result(60) for number in (0, 1, 3)] == [b"a", b"b", b"c"]
        with pytest.raises(redis.ResponseError, match="NONSENSE"):
            calls[2].result(60)


def test_a_lost_answer_fails_the_whole_batch_and_nothing_after_it(
    own_server: RedisServer, pool: ThreadPoolExecutor
) -> None:
    with (
        CuttingProxy(own_server.port) as proxy,
        connect(f"redis://127.0.0.1:{proxy.port}", timeout_ms=30_000) as client,
    ):
        group = GatedCommit(client)
        calls = behind_a_standing_sender(group, pool, [["ECHO", "first"], ["ECHO", "lost"], ["ECHO", "lost"]])
        proxy.cut_answers(b"lost")
        group.gate.set()
        assert calls[0].result(60) == b"first"
        for call in calls[1:]:
            with pytest.raises(redis.ConnectionError):
                call.result(60)
        proxy.mend()
        assert group.call("ECHO", "after") == b"after"


def test_who_waits_behind_a_hanging_server_is_not_sent_and_need_not_wait_again(
    own_server: RedisServer, pool: ThreadPoolExecutor
) -> None:
    assert own_server.process is not None
    with connect(own_server.url, timeout_ms=2_000) as client:
        group = GatedCommit(client)
        commands = [["INCR", "first"], ["INCR", "other"], ["INCR", "other"]]
        group.connect()
        calls = behind_a_standing_sender(group, pool, commands)
        os.kill(own_server.process.pid, signal.SIGSTOP)
        group.gate.set()
        for call in calls:
            with pytest.raises(redis.TimeoutError):
                call.result(60)
        os.kill(own_server.process.pid, signal.SIGCONT)
        assert group.sizes == [1]
        assert group.call("GET", "other") is None


def test_a_sender_that_is_interrupted_leaves_nobody_waiting(server: RedisServer, pool: ThreadPoolExecutor) -> None:
    with connect(server.url, timeout_ms=30_000) as client:
        group = GatedCommit(client)
        calls = behind_a_standing_sender(group, pool, [["ECHO", "first"], ["ECHO", "second"], ["ECHO", "third"]])
        group.interruption = SystemExit()
        group.gate.set()
        with pytest.raises(SystemExit):
            calls[0].result(60)
        assert [call.result(60) for call in calls[1:]] == [b"second", b"third"]


def test_a_connection_that_the_server_has_closed_meanwhile_costs_no_call(own_server: RedisServer) -> None:
    with connect(own_server.url, timeout_ms=30_000) as client:
        group = GroupCommit(client)
        assert group.call("ECHO", "before") == b"before"
        own_server.stop()
        own_server.start()
        assert group.call("ECHO", "after") == b"after"
