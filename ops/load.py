"""`python -m ops.load URL RATE SECONDS`: submits on a fixed schedule, from a process of its own; prints JSON.

With TXN_API_KEY in the environment, each submit has that key.

The schedule does not wait for answers, and a latency counts from the moment a submit was due: an API that stalls is
charged for everything that should have been sent meanwhile.
"""

import asyncio
import contextlib
import json
import os
import sys
import threading
import time
from collections import Counter, deque
from typing import NamedTuple
from urllib.parse import urlsplit

#: The sample body of the wire contract.
BODY = b'{"amount": 100.50, "currency": "USD", "description": "Payment", "metadata": {"order_id": "12345"}}'
CONNECTIONS = 48
#: The schedule is looked at so often, in s: each submit is charged for the lateness.
TICK_S = 0.002
#: Of a submit that is repeated: how long an answer is waited for, and the pause before it is sent again.
ANSWER_S, AGAIN_S = 5.0, 0.2


class Submit(NamedTuple):
    """`due`: as `time.perf_counter` has it."""

    number: int
    due: float


class Connection(asyncio.Protocol):
    """One connection with at most one submit on its way."""

    def __init__(self, load: "Load", submit: Submit | None) -> None:
        self.submit, self._load, self._buffer = submit, load, b""
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._load.connected(self)

    def send(self) -> None:
        """Send what it has, if it was not lost meanwhile."""
        if self.submit is None:
            return
        self.sent_s = time.perf_counter()
        self._transport.write(self._load.request(self.submit))  # type: ignore[attr-defined]
        if self._load.repeats:
            self._deadline = asyncio.get_running_loop().call_later(ANSWER_S, self.close)

    def close(self) -> None:
        self._transport.abort()  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        self._buffer = b""
        self._wait_no_longer()
        self._load.answered(self, head[9:12].decode(), body)

    def connection_lost(self, _error: Exception | None) -> None:
        self._wait_no_longer()
        self._load.lost(self)

    def _wait_no_longer(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()


class Load:
    """`rate` submits a second for `seconds`, spread over idle connections; those without one wait, and it counts.

    With `name` each has a key, <name>-<number>, and is repeated until it is acknowledged, as the docs tell users to:
    its connection has no other until then. `api_key`: for each of them. `accepted`: ids, and `accepted_s`: when, as
    `time.perf_counter` has it. `refusals`: when each began, and how long it took, in s. `errors`: what no client
    should see.
    """

    def __init__(self, url: str, rate: float, seconds: float, name: str = "", api_key: str = "") -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80
        self.planned, self.repeats = round(rate * seconds), bool(name)
        self._rate, self._name, self._head = rate, name, self._request_head(api_key)
        self._idle = deque[Connection]()
        self._waiting = deque[Submit]()
        self._begun = self._finished = 0
        self._over, self._connecting = asyncio.Event(), set[asyncio.Task[None]]()
        self._thread = threading.Thread(target=self._run_here, daemon=True)
        self.statuses = Counter[str]()
        self.latencies_ms: list[float] = []
        self.accepted: list[str] = []
        self.accepted_s: list[float] = []
        self.refusals: list[tuple[float, float]] = []
        self.errors: list[str] = []

    def start(self) -> None:
        """Run in a thread; returns at once."""
        self._thread.start()

    def end(self) -> None:
        """Begin nothing more after the next few; `join` waits for them."""
        self.planned = min(self.planned, self._begun + 5)

    def join(self) -> None:
        """Wait for the end of what `start` began."""
        self._thread.join()

    async def run(self, patience_s: float = 30) -> None:
        """Send everything and wait for the answers. Raises: TimeoutError, so long after the last one was due."""
        await asyncio.gather(*(self._connect(None) for _ in range(CONNECTIONS)))
        began = time.perf_counter()
        while self._begun < self.planned:
            now = time.perf_counter()
            while self._begun < self.planned and (due := began + self._begun / self._rate) <= now:
                self._waiting.append(Submit(self._begun, due))
                self._begun += 1
            self._dispatch()
            await asyncio.sleep(TICK_S)
        await asyncio.wait_for(self._over.wait(), patience_s)
        await asyncio.gather(*self._connecting)
        for connection in self._idle:
            connection.close()
        await asyncio.sleep(TICK_S)

    def request(self, submit: Submit) -> bytes:
        """A submit, as bytes."""
        if not self._name:
            return self._head + b"\r\n" + BODY
        return self._head + f"Idempotency-Key: {self._name}-{submit.number}\r\n\r\n".encode() + BODY

    def connected(self, connection: Connection) -> None:
        """It may be used, or send what another one has lost."""
        if connection.submit is not None:
            connection.send()
        else:
            self._idle.append(connection)
            self._dispatch()

    def answered(self, connection: Connection, status: str, body: bytes) -> None:
        """Note an answer and use the connection again."""
        self.statuses[status] += 1
        if self.repeats and status == "503":
            self.refusals.append((connection.sent_s, time.perf_counter() - connection.sent_s))
            asyncio.get_running_loop().call_later(AGAIN_S, connection.send)
            return
        if connection.submit is not None:
            self.latencies_ms.append((time.perf_counter() - connection.submit.due) * 1_000)
        if self.repeats and status in ("200", "202"):
            self.accepted.append(json.loads(body)["transactionId"])
            self.accepted_s.append(time.perf_counter())
        elif self.repeats:
            self.errors.append(f"a submit was answered with {status}: {body[:300]!r}")
        connection.submit = None
        self._idle.append(connection)
        self._finish_one()
        self._dispatch()

    def lost(self, connection: Connection) -> None:
        """A connection ended: its submit, if it had one, has no answer."""
        submit, connection.submit = connection.submit, None
        if self._over.is_set():
            return
        if submit is None:
            self._idle.remove(connection)
        else:
            self.statuses["lost"] += 1
            if not self.repeats:
                self._finish_one()
                submit = None
        task = asyncio.get_running_loop().create_task(self._connect_again(submit))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, submit: Submit | None) -> None:
        await asyncio.get_running_loop().create_connection(lambda: Connection(self, submit), self.host, self.port)

    async def _connect_again(self, submit: Submit | None) -> None:
        while not self._over.is_set():
            await asyncio.sleep(AGAIN_S)
            with contextlib.suppress(OSError):
                await self._connect(submit)
                break

    def _dispatch(self) -> None:
        while self._waiting and self._idle:
            connection = self._idle.popleft()
            connection.submit = self._waiting.popleft()
            connection.send()

    def _finish_one(self) -> None:
        self._finished += 1
        if self._finished >= self.planned:
            self._over.set()

    def _request_head(self, api_key: str) -> bytes:
        head = f"POST /api/transactions HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nContent-Type: application/json\r\n"
        credential = f"Authorization: Bearer {api_key}\r\n" if api_key else ""
        return f"{head}{credential}Content-Length: {len(BODY)}\r\n".encode()

    def _run_here(self) -> None:
        try:
            asyncio.run(self.run(patience_s=180))
        except (OSError, TimeoutError) as error:
            self.errors.append(f"the load ended early: {type(error).__name__}: {error}")


def _length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0] or 0)


def main() -> None:
    load = Load(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), api_key=os.environ.get("TXN_API_KEY", ""))
    began = time.perf_counter()
    asyncio.run(load.run())
    spent = time.perf_counter() - began
    latencies = sorted(load.latencies_ms)
    count = len(latencies)
    figures = {
        "statuses": load.statuses,
        "seconds": spent,
        "cpu_s": time.process_time(),
        "answers_per_s": count / spent,
    }
    shares = {"p50_ms": 0.5, "p99_ms": 0.99, "p99_9_ms": 0.999, "max_ms": 1}
    print(json.dumps(figures | {name: latencies[min(count - 1, int(count * share))] for name, share in shares.items()}))


if __name__ == "__main__":
    main()
