"""`python -m bench.peers`: txn and others in alternating rounds, every write on disk; ratios with their spread.

What each of them guarantees:

- txn: every accepted transaction ends as exactly one row, whatever crashes, within the bound of docs/how/delivery.md.
- BullMQ 6 with undici: at least once. A job whose worker dies is run again and can post twice; Node 20 or newer.
- Celery 5 with requests on gevent, late acknowledgement: at least once; after a crash, only when an hour has passed.
- plain Dramatiq with requests (bench/plain.py): loses and doubles.
"""

import os
import shutil
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from bench.backlog import fill
from bench.scenarios import Figures, drain, undisturbed
from bench.stand import Stand
from ops.stand import ROOT, THREADS, Process

HERE = Path(__file__).parent
#: What BullMQ has on its way at a time.
IN_FLIGHT = 192
CELERY = ROOT / ".venv-peers/bin/python"

Begin = Callable[[Stand, int], Callable[[], int]]


def txn(stand: Stand, waiting: int) -> Callable[[], int]:
    """Queue and start; what comes back tells how many are done."""
    fill(stand.client, waiting)
    stand.start_worker(1, THREADS, cores=[0])
    return lambda: stand.count("completed")


def bullmq(stand: Stand, waiting: int) -> Callable[[], int]:
    """See `txn`."""
    told = {"REDIS_PORT": str(stand.redis_port), "POSTING_URL": stand.mock.url, "IN_FLIGHT": str(IN_FLIGHT)}
    environment = {**os.environ, **told}
    command = ["node", str(HERE / "bullmq.mjs")]
    stand.client.config_set("appendfsync", "no")
    subprocess.run([*command, "fill", str(waiting)], env=environment, check=True)
    stand.client.config_set("appendfsync", "always")
    log = stand.folder / "worker0.log"
    stand.processes["worker0"] = Process(["taskset", "-c", "0", *command, "work"], environment, log).start()
    return lambda: int(stand.client.zcard("bull:deliver:completed"))


def plain(stand: Stand, waiting: int) -> Callable[[], int]:
    """See `txn`."""
    stand.client.config_set("appendfsync", "no")
    environment = stand.environment() | {"PLAIN_COUNT": str(waiting)}
    subprocess.run([sys.executable, "-m", "bench.plain"], cwd=ROOT, env=environment, check=True)
    stand.client.config_set("appendfsync", "always")
    stand.start_worker(1, 8, "bench.plain", cores=[0])
    return lambda: int(stand.client.get("plain:done") or 0)


def with_celery(stand: Stand, waiting: int) -> Callable[[], int]:
    """See `txn`."""
    environment = stand.environment() | {"PYTHONPATH": str(HERE)}
    stand.client.config_set("appendfsync", "no")
    subprocess.run([CELERY, str(HERE / "with_celery.py"), str(waiting)], env=environment, check=True)
    stand.client.config_set("appendfsync", "always")
    options = ["--pool", "gevent", "--concurrency", str(IN_FLIGHT), "--without-gossip", "--without-mingle"]
    command = ["taskset", "-c", "0", str(CELERY), "-m", "celery", "-A", "with_celery", "worker", *options]
    stand.processes["worker0"] = Process(command, environment, stand.folder / "worker0.log").start()
    return lambda: int(stand.client.get("celery:done") or 0)


PEERS: dict[str, Begin] = {"txn": txn, "bullmq": bullmq, "celery": with_celery, "plain": plain}


def once(begin: Begin, waiting: int) -> Figures:
    """Deliveries a second, and what they cost."""
    with Stand() as stand:
        stand.confine(1)
        return drain(stand, waiting, begin(stand, waiting))


def main(
    rounds: Annotated[int, typer.Option(help="rounds, each with every one of them")] = 5,
    waiting: Annotated[int, typer.Option(help="deliveries a round")] = 20_000,
    names: Annotated[list[str] | None, typer.Argument(help="txn and which others: bullmq, celery, plain")] = None,
) -> None:
    """Measure them in turn."""
    chosen = {name: begin for name, begin in PEERS.items() if name == "txn" or not names or name in names}
    if "bullmq" in chosen and not (shutil.which("node") and (HERE / "node_modules").is_dir()):
        sys.exit("bench-peers needs Node 20 or newer, and `npm ci` in bench/peers: `make bench-peers` does that")
    if "celery" in chosen and not CELERY.exists():
        sys.exit("bench-peers needs Celery in .venv-peers: `make bench-peers` does that")
    rates: dict[str, list[float]] = defaultdict(list)
    for number in range(rounds):
        for name, begin in chosen.items():
            found = undisturbed(partial(once, begin, waiting))
            rates[name].append(found["delivered_per_s"])
            said = (
                f"round {number + 1}  {name:8}{rates[name][-1]:8,.0f}/s  {found['worker_cpu_us']:5.0f} µs of its worker"
            )
            print(f"{said}  others used {found['foreign_cores']:.2f} cores", flush=True)
    for name in chosen:
        if name != "txn":
            ratios = sorted(ours / theirs for ours, theirs in zip(rates["txn"], rates[name], strict=True))
            print(f"txn ÷ {name}: median {statistics.median(ratios):.2f}, from {ratios[0]:.2f} to {ratios[-1]:.2f}")


if __name__ == "__main__":
    typer.run(main)
