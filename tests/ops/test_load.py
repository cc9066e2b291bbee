import asyncio
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from ops.load import CONNECTIONS, Load, Submit
from ops.stand import ROOT
from tests.web_server import Answering, WebServer


class Server(WebServer):
    """Answers every submit; stands still once, for `stall_s`, before the answer number `stalls_at`."""

    def __init__(self, stalls_at: int = 0, stall_s: float = 0.0) -> None:
        super().__init__(_Submits)
        self._stalls_at, self._stall_s, self._stalled_until = stalls_at, stall_s, 0.0
        self.lock, self.answered, self.closes_first = threading.Lock(), 0, 0

    def verify_request(self, *_: object) -> bool:
        """Whether a connection is let in."""
        self.closes_first -= 1
        return self.closes_first < 0

    def told(self, connection: Answering) -> None:
        with self.lock:
            self.answered += 1
            if self.answered == self._stalls_at:
                self._stalled_until = time.monotonic() + self._stall_s
        time.sleep(max(0.0, self._stalled_until - time.monotonic()))
        connection.answer(202, body=b"{}")


class _Submits(Answering):
    server: Server

    def do_POST(self) -> None:
        self.body()
        self.server.told(self)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        yield found


def test_every_submit_of_the_schedule_is_sent_once_and_answered(server: Server) -> None:
    load = Load(server.url, 500, 1)
    asyncio.run(load.run())
    assert load.statuses == {"202": 500}
    assert server.answered == 500
    assert len(load.latencies_ms) == 500


def test_a_stall_is_charged_to_all_that_were_due_meanwhile() -> None:
    with Server(stalls_at=100, stall_s=1.0) as server:
        load = Load(server.url, 500, 2)
        asyncio.run(load.run())
    # 500 were due while nothing was answered; only 48 connections could have noticed it by themselves.
    assert sum(1 for latency in load.latencies_ms if latency > 100) > 400


class Closing(Server):
    """Takes every submit and gives no answer."""

    def told(self, connection: Answering) -> None:
        connection.close_connection = True


class Unkind(Server):
    """Refuses the first submit of each key, gives the second no answer, and acknowledges the third with its key."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = Counter[str]()

    def told(self, connection: Answering) -> None:
        key = connection.headers["Idempotency-Key"]
        with self.lock:
            self.sent[key] += 1
        if self.sent[key] == 1:
            connection.answer(503)
        elif self.sent[key] == 2:
            connection.close_connection = True
        else:
            connection.answer(202, body=json.dumps({"transactionId": key}).encode())


def test_with_a_name_each_submit_is_repeated_with_its_key_until_it_is_acknowledged() -> None:
    with Unkind() as server:
        load = Load(server.url, 200, 1, name="n")
        load.start()
        load.join()
    assert sorted(load.accepted) == sorted(f"n-{number}" for number in range(200))
    assert load.statuses == {"503": 200, "lost": 200, "202": 200}
    assert (len(load.latencies_ms), load.errors) == (200, [])


def test_without_a_name_what_has_no_answer_is_counted_and_not_repeated() -> None:
    with Closing() as server:
        load = Load(server.url, 200, 1)
        asyncio.run(load.run())
    assert load.statuses == {"lost": 200}


def test_connections_that_the_server_closes_are_opened_again(server: Server) -> None:
    load = Load(server.url, 500, 1)
    server.closes_first = CONNECTIONS
    asyncio.run(load.run())
    assert load.statuses["202"] + load.statuses["lost"] == 500
    assert load.statuses["lost"] <= CONNECTIONS, "those that were sent as it closed"


def test_the_command_prints_one_json_object(server: Server) -> None:
    command = [sys.executable, "-m", "ops.load", server.url, "100", "0.5"]
    figures = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
    assert figures["statuses"] == {"202": 50}
    assert 0 < figures["p50_ms"] <= figures["p99_ms"] <= figures["p99_9_ms"] <= figures["max_ms"]
    assert figures["cpu_s"] > 0


def test_an_api_key_is_in_the_head_of_each_submit() -> None:
    keyed, open_to_all = (Load("http://h", 1, 1, api_key=key).request(Submit(0, 0.0)) for key in ("txn_a", ""))
    assert b"\r\nAuthorization: Bearer txn_a\r\n" in keyed.partition(b"\r\n\r\n")[0]
    assert b"Authorization" not in open_to_all
