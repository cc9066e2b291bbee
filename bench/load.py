"""`python -m bench.load URL RATE SECONDS`: submits on a fixed schedule, from a process of its own; prints JSON.

The schedule does not wait for answers, and a latency counts from the moment a submit was due: an API that stalls is
charged for everything that should have been sent meanwhile.
"""

import asyncio
import json
import sys
import time
from collections import Counter, deque
from urllib.parse import urlsplit

#: The sample body of the wire contract.
BODY = b'{"amount": 100.50, "currency": "USD", "description": "Payment", "metadata": {"order_id": "12345"}}'
CONNECTIONS = 48
#: The schedule is looked at so often, in s: each submit is charged for the lateness.
TICK_S = 0.002


def request(host: str) -> bytes:
    """One submit, as bytes."""
    head = f"POST /api/transactions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY


class Connection(asyncio.Protocol):
    """One connection with at most one submit on its way."""

    def __init__(self, load: "Load") -> None:
        self._load, self._buffer, self._due = load, b"", 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._load.idle.append(self)

    def send(self, due: float) -> None:
        """Send the submit that was due at this moment (`time.perf_counter`)."""
        self._due = due
        self._transport.write(self._load.request)  # type: ignore[attr-defined]

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        self._buffer = b""
        self._load.answered(self, head[9:12].decode(), self._due)

    def connection_lost(self, _error: Exception | None) -> None:
        self._load.lost()


class Load:
    """`rate` submits a second for `seconds`, spread over idle connections; those without one wait, and it counts."""

    def __init__(self, url: str, rate: float, seconds: float) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80
        self.request = request(f"{self.host}:{self.port}")
        self.idle: deque[Connection] = deque()
        self._rate, self._total = rate, round(rate * seconds)
        self._waiting: deque[float] = deque()
        self._sent = 0
        self.statuses: Counter[str] = Counter()
        self.latencies_ms: list[float] = []
        self._over = asyncio.Event()

    async def run(self) -> None:
        """Send everything and wait for the answers. Raises: TimeoutError, 30 s after the last one was due."""
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS):
            await loop.create_connection(lambda: Connection(self), self.host, self.port)
        began = time.perf_counter()
        while self._sent < self._total:
            now = time.perf_counter()
            while self._sent < self._total and (due := began + self._sent / self._rate) <= now:
                self._sent += 1
                self._waiting.append(due)
            self._dispatch()
            await asyncio.sleep(TICK_S)
        await asyncio.wait_for(self._over.wait(), 30)
        for connection in self.idle:
            connection.close()
        await asyncio.sleep(TICK_S)

    def answered(self, connection: Connection, status: str, due: float) -> None:
        """Note an answer and use the connection again."""
        self.statuses[status] += 1
        self.latencies_ms.append((time.perf_counter() - due) * 1_000)
        self.idle.append(connection)
        self._dispatch()
        self._look()

    def lost(self) -> None:
        """A connection ended: its submit, if it had one, has no answer."""
        if not self._over.is_set():
            self.statuses["lost"] += 1
            self._look()

    def _dispatch(self) -> None:
        while self._waiting and self.idle:
            self.idle.popleft().send(self._waiting.popleft())

    def _look(self) -> None:
        if sum(self.statuses.values()) >= self._total:
            self._over.set()


def _length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0] or 0)


def main() -> None:
    url, rate, seconds = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    load = Load(url, rate, seconds)
    began = time.perf_counter()
    asyncio.run(load.run())
    spent = time.perf_counter() - began
    latencies = sorted(load.latencies_ms)
    quantile = lambda share: latencies[min(len(latencies) - 1, int(len(latencies) * share))]  # noqa: E731
    figures = {"statuses": load.statuses, "seconds": spent, "cpu_s": time.process_time()}
    figures |= {"answers_per_s": len(latencies) / spent}
    figures |= {"p50_ms": quantile(0.5), "p99_ms": quantile(0.99), "p99_9_ms": quantile(0.999), "max_ms": latencies[-1]}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
