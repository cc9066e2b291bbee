import asyncio
import contextlib
import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from ops.load import CONNECTIONS, Load, Submit
from ops.stand import ROOT

ANSWER = b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}"
REFUSAL = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\n{}"
KEY = re.compile(rb"Idempotency-Key: (\S+)")


class Server:
    """Answers every submit; stands still once, for `stall_s`, before the answer number `stalls_at`."""

    def __init__(self, stalls_at: int = 0, stall_s: float = 0.0) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._stalls_at, self._stall_s = stalls_at, stall_s
        self._stalled_until = 0.0
        self._lock = threading.Lock()
        self.answered = 0
        self.closes_first = 0
        self.sent = Counter[bytes]()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.closes_first:
                self.closes_first -= 1
                client.close()
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            while client.recv(65536):
                with self._lock:
                    self.answered += 1
                    if self.answered == self._stalls_at:
                        self._stalled_until = time.monotonic() + self._stall_s
                time.sleep(max(0.0, self._stalled_until - time.monotonic()))
                client.sendall(ANSWER)


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.close()


def test_every_submit_of_the_schedule_is_sent_once_and_answered(server: Server) -> None:
    load = Load(server.url, 500, 1)
    asyncio.run(load.run())
    assert load.statuses == {"202": 500}
    assert server.answered == 500
    assert len(load.latencies_ms) == 500


def test_a_stall_is_charged_to_all_that_were_due_meanwhile() -> None:
    server = Server(stalls_at=100, stall_s=1.0)
    load = Load(server.url, 500, 2)
    asyncio.run(load.run())
    server.close()
    # 500 were due while nothing was answered; only 48 connections could have noticed it by themselves.
    assert sum(1 for latency in load.latencies_ms if latency > 100) > 400


class Closing(Server):
    """Takes every submit and gives no answer."""

    def _serve(self, client: socket.socket) -> None:
        client.recv(65536)
        client.close()


class Unkind(Server):
    """Refuses the first submit of each key, gives the second no answer, and acknowledges the third with its key."""

    def _serve(self, client: socket.socket) -> None:
        with client:
            while request := client.recv(65536):
                key = KEY.findall(request)[0]
                with self._lock:
                    self.sent[key] += 1
                if self.sent[key] == 1:
                    client.sendall(REFUSAL)
                elif self.sent[key] == 2:
                    return
                else:
                    body = json.dumps({"transactionId": key.decode()}).encode()
                    client.sendall(b"HTTP/1.1 202 Accepted\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))


def test_with_a_name_each_submit_is_repeated_with_its_key_until_it_is_acknowledged() -> None:
    server = Unkind()
    load = Load(server.url, 200, 1, name="n")
    load.start()
    load.join()
    server.close()
    assert sorted(load.accepted) == sorted(f"n-{number}" for number in range(200))
    assert load.statuses == {"503": 200, "lost": 200, "202": 200}
    assert (len(load.latencies_ms), load.errors) == (200, [])


def test_without_a_name_what_has_no_answer_is_counted_and_not_repeated() -> None:
    server = Closing()
    load = Load(server.url, 200, 1)
    asyncio.run(load.run())
    server.close()
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
