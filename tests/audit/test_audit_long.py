import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import simplejson

from ops.ports import free_port
from ops.redis_server import RedisServer
from tests.audit.web import StubPosting
from txn.model.content import dumps, fingerprint
from txn.store.keys import Keys

ROOT = Path(__file__).parents[2]
COUNT = 1_000_000
CHUNK = 1_000
MISSING, DOUBLED, ALTERED = 123_456, 500_000, 999_999
CONTENT = {"currency": "USD", "description": "Payment", "metadata": {"order_id": "12345"}}


def name(number: int) -> str:
    """Random-looking, as the ids of clients without keys are."""
    return f"{number * 2654435761 % 2**32:08x}-0000-4000-8000-{number:012}"


def amount(number: int) -> str:
    return f"{number % 100_000}.{number % 100:02}"


def store_all(client: redis.Redis) -> None:
    keys = Keys("txn:")
    for begin in range(0, COUNT, CHUNK):
        with client.pipeline(transaction=False) as pipeline:
            for number in range(begin, begin + CHUNK):
                content = {"amount": simplejson.RawJSON(amount(number))} | CONTENT
                pipeline.set(keys.payload(name(number)), dumps(content))
                pipeline.hset(
                    keys.record(name(number)),
                    mapping={
                        "status": "completed",
                        "fingerprint": fingerprint({"amount": amount(number)} | CONTENT),
                        "submitted": 1,
                        "completed": 2,
                        "evidence": "posted",
                        "owner": "x" * 16,
                        "attempts": 1,
                    },
                )
            pipeline.execute()
    client.hset(keys.count, "accepted", COUNT)


def rows() -> Iterator[bytes]:
    yield b"["
    for begin in range(0, COUNT, CHUNK):
        yield b"".join(row(number) for number in range(begin, begin + CHUNK) if number != MISSING)
    yield row(DOUBLED)[:-1] + b"]"


def row(number: int) -> bytes:
    value = "0.01" if number == ALTERED else amount(number)
    return (
        f'{{"id":"{name(number)}","amount":{value},"currency":"USD","description":"Payment",'
        f'"timestamp":"2026-01-01T00:00:00.000Z","metadata":{{"order_id":"12345"}}}},'
    ).encode()


def peak_kib(process: subprocess.Popen[bytes]) -> int:
    """The highest resident memory until it ends."""
    peak = 0
    while process.poll() is None:
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                peak = int(line.split()[1])
        time.sleep(0.02)
    return peak


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from /proc")
def test_a_million_are_audited_within_200_megabytes(tmp_path: Path, stub: StubPosting) -> None:
    server = RedisServer(free_port(), tmp_path / "redis", appendfsync="no").start()
    try:
        with redis.Redis(port=server.port) as client:
            store_all(client)
        stub.answers["/transactions"] = lambda: (200, rows())
        environment = os.environ | {"TXN_REDIS_URL": server.url, "TXN_POSTING_URL": stub.url}
        began = time.monotonic()
        with (tmp_path / "certificate").open("wb") as output:
            command = [sys.executable, "-m", "txn", "audit", "--json"]
            process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=output)
            peak = peak_kib(process)
        print(f"{COUNT:,} transactions: {time.monotonic() - began:.0f} s, at most {peak / 1024:.0f} MiB resident")
    finally:
        server.kill()
    found = simplejson.loads((tmp_path / "certificate").read_text())
    assert process.returncode == 1
    assert found["counts"]["once"] == COUNT - 3
    assert {kind: [item["id"] for item in items] for kind, items in found["findings"].items()} == {
        "missing": [name(MISSING)],
        "doubled": [name(DOUBLED)],
        "different": [name(ALTERED)],
    }
    assert peak < 200 * 1024
