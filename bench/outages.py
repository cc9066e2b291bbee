"""One outage after the other, each longer than all retries would take, while transactions come in at a steady rate."""

import random
import subprocess
import time
from collections.abc import Sequence
from typing import NamedTuple

from bench.scenarios import Figures, ledger
from bench.stand import Spent, Stand

#: How the posting service is away: what it then does. What hangs is written two seconds after the deadline.
LATE = {"hang_write": 1.0, "hang_ms": 7_000}
OUTAGES: dict[str, dict[str, float]] = {
    "refuses connections": {},
    "everything hangs": LATE | {"get_hang": 1},
    "POSTs hang": LATE,
    "503 to POSTs": {"unavailable": 1},
    "500 to POSTs": {"fail_before": 1},
}
#: Eight attempts in doubt, each with a call to its deadline, and the backoffs between them.
ALL_RETRIES_S = 240
#: In flight at most while the breaker is open (breaker.lua).
PROBES = 8
#: How long the rate of a backlog without an outage is measured with, at the same rate of submits.
STOPPED_S = 60
#: Pairs whose order is looked at.
PAIRS = 10_000


def outages(rate: int, seconds: int) -> Figures:
    """Real processes with default settings. Each outage lasts so many seconds, then the posting service is back.

    `drained_to_normal` compares with a backlog of the same load after the workers were stopped. What is in doubt waits
    for the end of that: it counts neither for the drain nor for the order.
    """
    with Stand() as stand:
        stand.start_api()
        load = stand.load(rate, STOPPED_S + len(OUTAGES) * (seconds + STOPPED_S + 60))
        time.sleep(STOPPED_S)
        stand.start_worker()
        normal = _drained(stand, stand.count("completed"))
        figures: Figures = {f"normal_{figure}": value for figure, value in normal.items()}
        for name in OUTAGES:
            _until_caught_up(stand, rate)
            found = _outage(stand, name, seconds, normal)
            print(f"  {name}: {found}", flush=True)
            figures |= {f"{name}: {figure}": value for figure, value in found.items()}
        return figures | _end(stand, load)


def _outage(stand: Stand, name: str, seconds: int, normal: Figures) -> Figures:
    began, failed = Spent(stand), stand.count("failed")
    stand.mock.faults(**OUTAGES[name])
    if not OUTAGES[name]:
        stand.mock.down()
    stand.until(lambda: stand.client.hget("txn:posting", "breaker") == b"open", "the breaker opens")
    figures: Figures = {"opened_after_s": round(began.seconds, 1)}
    stand.until(lambda: stand.count("processing") <= PROBES, "what was in flight has ended")
    spent, asked = Spent(stand), _asked(stand, name)
    time.sleep(max(0.0, seconds - began.seconds))
    costs = spent.figures(1)
    figures["requests_per_s"] = round((_asked(stand, name) - asked) / spent.seconds, 2)
    figures["workers_core_pct"] = round(costs["worker_cpu_us"] / 1e4 / spent.seconds, 1)
    figures["foreign_cores"] = costs["foreign_cores"]
    waiting, done = _waiting(stand), stand.count("completed")
    figures |= {"waiting": len(waiting), "in_doubt": sum(one.in_doubt for one in waiting)}
    figures["attempts_used_up"] = max(one.counted for one in waiting)
    stand.mock.faults()
    stand.mock.release()
    stand.mock.up()
    back = Spent(stand)
    stand.until(lambda: stand.count("completed") > done, "the first is completed")
    figures["first_completed_s"] = round(back.seconds, 2)
    drained = _drained(stand, done)
    figures |= {f"drained_{figure}": value for figure, value in drained.items()}
    figures["drained_to_normal"] = round(drained["per_s"] / normal["per_s"], 2)
    figures["older_first_pct"] = _older_first_pct(stand, [one.id for one in waiting if not one.in_doubt])
    return figures | {"failed": stand.count("failed") - failed}


def _drained(stand: Stand, done: int) -> Figures:
    """Completions a second and the CPU of each, from the hundredth after `done` to the last but those in doubt."""
    stand.until(lambda: stand.count("completed") >= done + 100, "the first are completed")
    first, spent = stand.count("completed"), Spent(stand)
    stand.until(lambda: stand.unfinished() - stand.count("in_doubt") < 500, "the backlog is delivered", 900)
    count, rate = stand.count("completed") - first, (stand.count("completed") - first) / spent.seconds
    costs = spent.figures(count)
    return {"per_s": round(rate, 1), "cpu_us": costs["cpu_us"], "foreign_cores": costs["foreign_cores"]}


def _until_caught_up(stand: Stand, rate: int) -> None:
    """Nothing waits but what has just come."""
    stand.until(lambda: stand.unfinished() < rate and not stand.count("in_doubt"), "all doubts are over", 300)


def _asked(stand: Stand, name: str) -> int:
    """Requests so far; of connections that are refused only the workers know."""
    return stand.mock.calls() if OUTAGES[name] else stand.count("attempts")


class Waiting(NamedTuple):
    """An unfinished transaction; `counted`: attempts that it has used up."""

    id: bytes
    counted: int
    in_doubt: bool


def _waiting(stand: Stand) -> list[Waiting]:
    ids: list[bytes] = stand.client.zrange("txn:due", 0, -1)  # type: ignore[assignment]
    records = _read(stand, ids, "counted", "uncertain")
    return [
        Waiting(name, int(counted or 0), doubt == b"1") for name, (counted, doubt) in zip(ids, records, strict=True)
    ]


def _older_first_pct(stand: Stand, ids: Sequence[bytes]) -> float:
    """In how many pairs the older one was completed first, or in the same millisecond."""
    draw, right = random.Random(1), 0
    times = _read(stand, draw.sample(ids, min(len(ids), PAIRS)), "submitted", "completed")
    spans = [(int(submitted), int(completed)) for submitted, completed in times if completed]
    for _ in range(PAIRS):
        older, younger = sorted(draw.sample(spans, 2))
        right += older[1] <= younger[1]
    return round(100 * right / PAIRS, 1)


def _read(stand: Stand, ids: Sequence[bytes], *fields: str) -> list[list[bytes]]:
    found: list[list[bytes]] = []
    for begin in range(0, len(ids), 1_000):
        pipeline = stand.client.pipeline(transaction=False)
        for name in ids[begin : begin + 1_000]:
            pipeline.hmget(b"txn:t:" + name, list(fields))
        found += pipeline.execute()
    return found


def _end(stand: Stand, load: subprocess.Popen[bytes]) -> Figures:
    load.terminate()
    load.wait()
    most = stand.mock.stats()["max_posts_in_flight"]
    counts = {name: stand.count(name) for name in ("accepted", "failed")}
    return counts | {"most_posts_in_flight": most} | ledger(stand, 300)
