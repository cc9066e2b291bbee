import ctypes
import dis
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from types import CodeType, FrameType
from typing import Any

import pytest
import redis

from ops.redis_server import RedisServer
from txn.store import group_commit
from txn.store.connection import connect
from txn.store.group_commit import GroupCommit

PLACES = 200
#: There are more of them; Python 3.13 looks in half as many as 3.11.
FEWEST_PLACES = 15


class Interrupted(BaseException):
    """As dramatiq's TimeLimitExceeded and Shutdown come: in whatever line the thread stands."""


class Interruption:
    """In its thread, at the n-th place of group_commit.py at which CPython looks for one: beginnings, after calls."""

    def __init__(self, at: int) -> None:
        self.left, self.came = at, False

    def __enter__(self) -> "Interruption":
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _trace(self, frame: FrameType, event: str, _argument: object) -> Any:
        if frame.f_code.co_filename != group_commit.__file__:
            return None
        if event == "call":
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
            self._come()
            return _Steps(self, frame.f_code)
        return None

    def _come(self) -> None:
        self.left -= 1
        if self.left == 0:
            self.came = True
            raise Interrupted


class _Steps:
    def __init__(self, interruption: Interruption, code: CodeType) -> None:
        self._interruption, self._code, self._before = interruption, code, ""

    def __call__(self, frame: FrameType, event: str, _argument: object) -> "_Steps":
        if event == "opcode":
            before, self._before = self._before, dis.opname[self._code.co_code[frame.f_lasti]]
            if before.startswith(("CALL", "JUMP_BACKWARD")):
                self._interruption._come()
        return self


class Stage(GroupCommit):
    """Before its first round trip it lets others come, and waits until they stand in the queue."""

    def __init__(self, client: redis.Redis, arrivals: Callable[["Stage"], None]) -> None:
        super().__init__(client)
        self._arrivals: Callable[[Stage], None] | None = arrivals

    def exchange(self, packed: Sequence[bytes]) -> list[Any]:
        arrivals, self._arrivals = self._arrivals, None
        if arrivals:
            arrivals(self)
        return super().exchange(packed)

    def standing(self) -> int:
        return len(self._waiting)


def start(work: Callable[[], Any]) -> Future[Any]:
    found: Future[Any] = Future()

    def run() -> None:
        try:
            found.set_result(work())
        except BaseException as error:  # noqa: BLE001
            found.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return found


def queue_up(group: Stage, work: Callable[[], Any]) -> Future[Any]:
    """Until it stands in the queue, or has ended before that."""
    before, call = group.standing(), start(work)
    while not call.done() and group.standing() == before:
        threading.Event().wait(0.0002)
    return call


def echo(group: GroupCommit, text: str) -> Any:
    return group.call("ECHO", text)


def is_answered(call: Future[Any], text: str) -> bool:
    """With its own answer, or with an error that says so: not with anybody else's, and not never."""
    try:
        assert call.result(60) == text.encode()
    except redis.ConnectionError:
        return False
    return True


def test_a_leader_that_is_interrupted_anywhere_leaves_nobody_waiting(valkey: RedisServer) -> None:
    with connect(valkey.url, timeout_ms=30_000) as client:
        for place in range(1, PLACES):
            others: list[Future[Any]] = []
            group = Stage(
                client,
                lambda group, others=others: others.extend(queue_up(group, lambda: echo(group, "x")) for _ in "12"),  # type: ignore[misc]
            )
            interruption = Interruption(place)

            def lead(group: Stage = group, interruption: Interruption = interruption) -> None:
                with interruption:
                    echo(group, "lead")

            leader = start(lead)
            assert isinstance(leader.exception(10), Interrupted if interruption.came else type(None)), place
            assert {is_answered(call, "x") for call in others} <= {True}, place
            assert echo(group, f"after {place}") == f"after {place}".encode()
            if not interruption.came:
                assert place > FEWEST_PLACES
                return
    pytest.fail("it was interrupted without end")


def test_who_was_told_to_lead_and_is_interrupted_anywhere_leaves_nobody_waiting(valkey: RedisServer) -> None:
    with connect(valkey.url, timeout_ms=30_000) as client:
        for place in range(1, PLACES):
            told: list[Future[Any]] = []
            others: list[Future[Any]] = []
            interruption = Interruption(place)

            def interrupted(group: Stage, interruption: Interruption = interruption) -> None:
                with interruption:
                    echo(group, "told")

            def arrivals(
                group: Stage,
                told: list[Future[Any]] = told,
                others: list[Future[Any]] = others,
                work: Callable[[Stage], None] = interrupted,
            ) -> None:
                told.append(queue_up(group, lambda: work(group)))
                others.extend(queue_up(group, lambda: echo(group, "x")) for _ in "12")

            group = Stage(client, arrivals)
            assert echo(group, "first") == b"first"
            assert isinstance(told[0].exception(10), Interrupted if interruption.came else type(None)), place
            assert {is_answered(call, "x") for call in others} <= {True, False}, place
            assert echo(group, f"after {place}") == f"after {place}".encode()
            if not interruption.came:
                assert place > FEWEST_PLACES
                return
    pytest.fail("it was interrupted without end")


def test_a_second_interruption_while_the_first_is_tidied_up_leaves_nobody_waiting(valkey: RedisServer) -> None:
    with connect(valkey.url, timeout_ms=30_000) as client:
        for place in range(1, PLACES):
            second = Interruption(place)

            class Twice(Stage):
                def exchange(self, packed: Sequence[bytes]) -> list[Any]:
                    first = self._arrivals is not None
                    replies = super().exchange(packed)
                    if first:
                        raise Interrupted
                    return replies

                def _leave(self, call: Any, second: Interruption = second) -> None:
                    with second:
                        super()._leave(call)

            others: list[Future[Any]] = []
            group = Twice(
                client,
                lambda group, others=others: others.extend(queue_up(group, lambda: echo(group, "x")) for _ in "12"),  # type: ignore[misc]
            )
            with pytest.raises(Interrupted):
                echo(group, "lead")
            assert {is_answered(call, "x") for call in others} <= {True}, place
            if not second.came:
                assert place > 10
                return
    pytest.fail("it was interrupted without end")


def test_an_exception_that_is_thrown_into_a_waiting_thread_hands_the_lead_on(server: RedisServer) -> None:
    calls: list[Future[Any]] = []
    threads: list[int] = []

    def told(group: Stage) -> None:
        threads.append(threading.get_ident())
        echo(group, "told")

    def arrivals(group: Stage) -> None:
        calls.append(queue_up(group, lambda: told(group)))
        calls.append(queue_up(group, lambda: echo(group, "behind")))
        # As dramatiq does it: raised when the thread runs again, which is when it is told to lead.
        assert ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_long(threads[0]), ctypes.py_object(Interrupted)) == 1

    with connect(server.url, timeout_ms=30_000) as client:
        assert echo(Stage(client, arrivals), "first") == b"first"
        assert isinstance(calls[0].exception(10), Interrupted)
        assert calls[1].result(60) == b"behind"


def test_who_is_interrupted_while_it_waits_is_not_sent(server: RedisServer) -> None:
    calls: list[Future[Any]] = []
    threads: list[int] = []

    def given_up(group: Stage) -> None:
        threads.append(threading.get_ident())
        group.call("SET", "given up", "1")

    def arrivals(group: Stage) -> None:
        calls.append(queue_up(group, lambda: given_up(group)))
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_long(threads[0]), ctypes.py_object(Interrupted))

    with connect(server.url, timeout_ms=30_000) as client:
        client.delete("given up")
        group = Stage(client, arrivals)
        echo(group, "first")
        assert isinstance(calls[0].exception(10), Interrupted)
        assert group.call("EXISTS", "given up") == 0


def test_replies_that_an_interruption_left_on_the_way_are_nobody_elses(server: RedisServer) -> None:
    class Cut(GroupCommit):
        def _connected(self) -> Any:
            connection = super()._connected()
            connection.send_command("ECHO", "somebody else's", check_health=False)
            raise Interrupted

    with connect(server.url, timeout_ms=30_000) as client:
        group = Cut(client)
        with pytest.raises(Interrupted):
            echo(group, "cut")
        group.__class__ = GroupCommit  # type: ignore[assignment]
        assert echo(group, "mine") == b"mine"


_GREENLETS = """
from gevent import monkey; monkey.patch_all()
import sys
import gevent
from gevent.event import Event
from txn.store.connection import connect
from txn.store.group_commit import GroupCommit

where = sys.argv[2]
stands, gate = Event(), Event()

class Gated(GroupCommit):
    victim = None
    def exchange(self, packed):
        if not stands.is_set():
            stands.set()
            gate.wait()
        elif where == "sending" and self.victim is gevent.getcurrent():
            gevent.sleep(60)  # it is killed here
        return super().exchange(packed)
    def _hand_over(self, reply):
        if where == "told" and self.victim:
            self.victim.kill(block=False)
        super()._hand_over(reply)
    def _appoint(self):
        super()._appoint()
        if where == "sending" and self._leader is not None and self.victim:
            gevent.spawn_later(0.01, self.victim.kill, block=False)

group = Gated(connect(sys.argv[1], timeout_ms=5000))
first = gevent.spawn(group.call, "ECHO", "first")
stands.wait()
victim = gevent.spawn(group.call, "ECHO", "victim")
others = [gevent.spawn(group.call, "ECHO", str(n)) for n in range(5)]
gevent.idle()
assert len(group._waiting) == 6
group.victim = victim
if where == "waiting":
    victim.kill()
    assert len(group._waiting) == 5
gate.set()
gevent.joinall([first, victim, *others], timeout=30)
assert first.value == b"first", first.value
assert isinstance(victim.value, gevent.GreenletExit), victim.value
answers = [other.value if other.successful() else type(other.exception).__name__ for other in others]
wanted = ["ConnectionError"] * 5 if where == "sending" else [b"0", b"1", b"2", b"3", b"4"]
assert answers == wanted, answers
assert group.call("ECHO", "after") == b"after"
"""


@pytest.mark.parametrize("where", ["waiting", "told", "sending"])
def test_a_greenlet_that_is_killed_leaves_nobody_waiting(valkey: RedisServer, where: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _GREENLETS, valkey.url, where], capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
