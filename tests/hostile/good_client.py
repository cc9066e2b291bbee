"""`python -m tests.hostile.good_client PORT RATE LEAST`: submits on a schedule until its input ends, and it has sent as
many as LEAST; prints JSON.

It does what the docs tell clients: a submit that was not answered, or with 503, is repeated with the same key. Its
latency counts from when it was due to the answer that counts. Where the machine stands still, so does the schedule: it
never sends at once what is due in a second.
"""

import asyncio
import json
import sys
import time
import uuid
from collections import Counter
from typing import Any

BODY = b'{"amount": 100.50, "currency": "USD", "description": "Payment"}'
#: No more than this for an answer; then it is repeated.
PATIENCE_S = 10
GIVES_UP_S = 60
#: Submits that are behind the schedule, and submits without an answer.
MOST_AT_ONCE = 20


class Client:
    def __init__(self, port: int) -> None:
        self._port = port
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.latencies_ms: list[float] = []
        self.found: Counter[str] = Counter()

    async def submit(self, due_s: float) -> None:
        head = f"POST /api/transactions HTTP/1.1\r\nHost: x\r\nIdempotency-Key: {uuid.uuid4()}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
        while time.perf_counter() < due_s + GIVES_UP_S:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    status = await self._ask(head.encode() + BODY)
            except (OSError, EOFError, TimeoutError):
                status = "lost"
            self.found[status] += 1
            if status in ("200", "202"):
                self.latencies_ms.append((time.perf_counter() - due_s) * 1000)
                return
            await asyncio.sleep(0.01 if status == "lost" else 0.5)
        self.found["given up"] += 1

    async def _ask(self, sent: bytes) -> str:
        reader, writer = self._free.pop() if self._free else await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(sent)
            head = await reader.readuntil(b"\r\n\r\n")
            _, _, rest = head.lower().partition(b"\r\ncontent-length:")
            await reader.readexactly(int(rest.partition(b"\r\n")[0]))
        except BaseException:
            writer.close()
            raise
        if b"\r\nConnection: close" in head:
            writer.close()
        else:
            self._free.append((reader, writer))
        return head[9:12].decode()

    def figures(self) -> dict[str, Any]:
        latencies = sorted(self.latencies_ms)
        quantile = {f"p{share}_ms": round(latencies[len(latencies) * share // 100], 1) for share in (50, 99)}
        return {"found": self.found, "answered": len(latencies), **quantile, "max_ms": round(latencies[-1], 1)}


async def main(port: int, rate: float, least: int) -> None:
    print("begins", flush=True)
    client, tasks, due_s = Client(port), list[asyncio.Task[None]](), time.perf_counter()
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    while not ended.done() or len(tasks) < least:
        due_s = max(due_s + 1 / rate, time.perf_counter() - MOST_AT_ONCE / rate)
        await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
        while sum(not task.done() for task in tasks) >= MOST_AT_ONCE:
            await asyncio.sleep(1 / rate)
        tasks.append(asyncio.create_task(client.submit(due_s)))
    await asyncio.gather(*tasks)
    print(json.dumps({"sent": len(tasks), **client.figures()}))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
