"""What is measured. Each scenario starts its own processes on an empty store and returns its figures."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests

from bench.backlog import fill
from bench.stand import Spent, Stand
from ops.load import BODY
from ops.stand import ROOT, THREADS

Figures = dict[str, Any]

#: Cores that others may use meanwhile; above, a measurement is made again. So often in all.
FOREIGN_CORES, TRIES = 0.15, 3

#: Variants of the posting service: ms a call, and the share of POSTs that outlast their deadline.
POSTING: dict[str, dict[str, float]] = {
    "0 ms": {},
    "100 ms": {"latency_ms": 100},
    "0 ms, 1 % hang": {"hang_write": 0.01, "hang_ms": 7_000},
    "100 ms, 1 % hang": {"latency_ms": 100, "hang_write": 0.01, "hang_ms": 7_000},
}


def accept(seconds: int, *, with_keys: bool = False) -> Figures:
    """Saturated submits on one core of API, no workers."""
    with Stand(keys=with_keys) as stand:
        stand.start_api("--workers", "1", cores=[0])
        stand.saturate(2)
        spent, accepted = Spent(stand), stand.count("accepted")
        figures: Figures = {"requests_per_s": stand.saturate(seconds)}
        return figures | spent.figures(stand.count("accepted") - accepted)


def batch(seconds: int) -> Figures:
    """Saturated batches of 100 on one core of API, and single submits before and after them, no workers."""
    with Stand() as stand:
        stand.start_api("--workers", "1", cores=[0])
        stand.saturate(2)
        single = [stand.saturate(seconds)]
        spent, accepted = Spent(stand), stand.count("accepted")
        in_batches = _batches(stand, seconds)
        cpu = spent.figures(stand.count("accepted") - accepted)
        single.append(stand.saturate(seconds))
        times = round(in_batches / statistics.mean(single), 2)
        return {"transactions_per_s": round(in_batches, 1), "times_single": times, "single_per_s": single} | cpu


#: Clients that send batches at once.
BATCH_CLIENTS = 16


def _batches(stand: Stand, seconds: int) -> float:
    """Transactions a second that were accepted in batches of 100."""
    body, url = b"[" + b",".join([BODY] * 100) + b"]", f"{stand.url}/api/transactions/batch"
    headers = {"Content-Type": "application/json"}
    ends = time.monotonic() + seconds

    def send(_client: int) -> None:
        with requests.Session() as session:
            while time.monotonic() < ends:
                session.post(url, body, headers=headers, timeout=30).raise_for_status()

    before, began = stand.count("accepted"), time.monotonic()
    with ThreadPoolExecutor(BATCH_CLIENTS) as pool:
        list(pool.map(send, range(BATCH_CLIENTS)))
    return (stand.count("accepted") - before) / (time.monotonic() - began)


def deliver(waiting: int, posting: str, *, limited: bool = False) -> Figures:
    """A backlog, and one worker process pinned to one core. `limited`: with limits, which are never reached."""
    with Stand(faults=POSTING[posting]) as stand:
        stand.confine(1)
        _limit(stand, limited)
        fill(stand.client, waiting)
        stand.start_worker(1, THREADS, cores=[0])
        return drain(stand, waiting, lambda: stand.count("completed"))


def plain(waiting: int) -> Figures:
    """The reference: the same job, written plainly with default settings, pinned to the same core."""
    with Stand() as stand:
        command = [sys.executable, "-m", "bench.plain"]
        stand.confine(1)
        stand.client.config_set("appendfsync", "no")
        subprocess.run(command, cwd=ROOT, env=stand.environment() | {"PLAIN_COUNT": str(waiting)}, check=True)
        stand.client.config_set("appendfsync", "always")
        stand.start_worker(1, 8, "bench.plain", cores=[0])
        return drain(stand, waiting, lambda: int(stand.client.get("plain:done") or 0))


def whole(rate: int, seconds: int, posting: str, *, limited: bool = False, with_keys: bool = False) -> Figures:
    """A steady rate with everything running, then the ledger check. `limited`: with limits, which are never reached."""
    with Stand(faults=POSTING[posting], keys=with_keys) as stand:
        stand.start_everything()
        _limit(stand, limited)
        stand.load(100, 2).wait()
        return steady(stand, rate, seconds) | ledger(stand)


def limits(waiting: int, rate: int, seconds: int, rounds: int) -> Figures:
    """`deliver` and `whole` without and with limits in turn: medians, and what the limits cost in per cent.

    The breaker is always on.
    """
    found: dict[str, list[float]] = {}
    for limited in [False, True] * rounds:
        delivered = deliver(waiting, "0 ms", limited=limited)
        steady = whole(rate, seconds, "0 ms", limited=limited)
        name = "with" if limited else "without"
        for figure, value in (
            ("deliver_per_s", delivered["delivered_per_s"]),
            ("deliver_cpu_us", delivered["cpu_us"]),
            ("whole_cpu_us", steady["cpu_us"]),
            ("whole_submit_p99_ms", steady["submit_p99_ms"]),
            ("foreign_cores", max(delivered["foreign_cores"], steady["foreign_cores"])),
        ):
            found.setdefault(f"{figure}_{name}", []).append(value)
    figures: Figures = {name: round(statistics.median(values), 2) for name, values in found.items()}
    for figure, sign in (("deliver_per_s", -1), ("deliver_cpu_us", 1), ("whole_cpu_us", 1)):
        costs = figures[f"{figure}_with"] / figures[f"{figure}_without"] - 1
        figures[f"{figure}_lost_pct"] = round(sign * 100 * costs, 1)
    return figures


def _limit(stand: Stand, limited: bool) -> None:
    """As if somebody had done so a while ago: nothing is in flight that was not counted."""
    if limited:
        done = stand.command("limit", "--in-flight", "10000", "--rate", "100000/s")
        if done.returncode:
            raise RuntimeError(done.stderr)
        stand.client.hset("txn:posting", "counted_from", 0)


def keys(rate: int, seconds: int, rounds: int) -> Figures:
    """`accept` and `whole` without API keys and with them, in turn: what keys cost, as ratios of the medians."""
    found: dict[str, list[float]] = {}
    figures: Figures = {}
    for _ in range(rounds):
        for with_keys in (False, True):
            how = "with" if with_keys else "without"
            accepted = accept(seconds, with_keys=with_keys)
            delivered = whole(rate, seconds, "0 ms", with_keys=with_keys)
            found.setdefault(f"accept_per_s_{how}", []).append(accepted["requests_per_s"])
            found.setdefault(f"accept_cpu_us_{how}", []).append(accepted["cpu_us"])
            found.setdefault(f"whole_completed_per_s_{how}", []).append(delivered["completed_per_s"])
            found.setdefault(f"whole_cpu_us_{how}", []).append(delivered["cpu_us"])
            found.setdefault("foreign_cores", []).extend(one["foreign_cores"] for one in (accepted, delivered))
    figures["foreign_cores"] = max(found.pop("foreign_cores"))
    figures |= {name: round(statistics.median(values), 1) for name, values in found.items()}
    for name in ("accept_per_s", "accept_cpu_us", "whole_completed_per_s", "whole_cpu_us"):
        figures[f"{name}_ratio"] = round(figures[f"{name}_with"] / figures[f"{name}_without"], 3)
    return figures


def idle(seconds: int) -> Figures:
    """One transaction a second, then none at all."""
    with Stand() as stand:
        stand.start_everything()
        stand.load(1, seconds).wait()
        stand.until_quiet()
        spans = sorted(_spans(stand))
        figures: Figures = {"end_to_end_p50_ms": spans[len(spans) // 2], "end_to_end_p99_ms": spans[-1]}
        before, written, began = stand.cpu_s(), stand.writes(), time.monotonic()
        time.sleep(10)
        spent = time.monotonic() - began
        figures["worker_process_core_pct"] = round((stand.cpu_s()["worker"] - before["worker"]) / spent / 2 * 100, 2)
        figures["writes_per_worker_process_s"] = round((stand.writes() - written) / spent / 2, 2)
        return figures


def hanging(seconds: int, rounds: int) -> Figures:
    """Submits while the posting service hangs, and while it is well, by turns."""
    found: dict[str, list[float]] = {"well": [], "hanging": []}
    with Stand() as stand:
        stand.start_everything()
        stand.load(100, 2).wait()
        for state, share in [("well", 0.0), ("hanging", 1.0)] * rounds:
            stand.mock.faults(hang_until_released=share)
            found[state].append(json.loads(stand.load(100, seconds).communicate()[0])["p99_ms"])
            stand.mock.faults()
            stand.mock.release()
            stand.until_quiet(120)
    well, hangs = (statistics.median(found[state]) for state in ("well", "hanging"))
    return {"submit_p99_ms": round(well, 1), "submit_p99_hanging_ms": round(hangs, 1), "ratio": round(hangs / well, 2)}


def tenth(rate: int, seconds: int) -> Figures:
    """A steady rate while every tenth id hangs for ever, and the same rate without; then they are let go."""
    figures: Figures = {}
    for name, share in (("well", 0.0), ("tenth", 0.1)):
        with Stand(faults={"get_hang": share}) as stand:
            stand.start_everything()
            stand.load(100, 2).wait()
            found = steady(stand, rate, seconds)
            chosen = ("completed_per_s", "end_to_end_p50_below_ms", "end_to_end_p99_below_ms", "foreign_cores")
            figures |= {f"{name}_{figure}": found[figure] for figure in chosen}
            stand.mock.faults()
            stand.mock.release()
            figures |= {f"{name}_{figure}": said for figure, said in ledger(stand, patience_s=400).items()}
    return figures


def away(waiting: int, seconds: int) -> Figures:
    """A backlog, as usual; then one during which the posting service answers 503 to every POST, and is back.

    Both rates are without the first hundred, and so without the ramp. What is in doubt when it comes back waits for the
    end of its doubt: `drained_to_normal` is about the others.
    """
    with Stand() as stand:
        stand.start_api()
        fill(stand.client, waiting)
        stand.start_worker()
        normal = drain(stand, waiting, lambda: stand.count("completed"))
        stand.until_quiet(300)
        stand.mock.faults(unavailable=1)
        fill(stand.client, waiting, first=waiting)
        stand.until(lambda: stand.health()["postingService"]["breaker"] == "open", "the breaker opens")
        stand.until(lambda: stand.health()["processing"] <= 1, "what was in flight has ended")
        spent, asked = Spent(stand), stand.mock.calls()
        time.sleep(seconds)
        figures: Figures = {"requests_per_s": round((stand.mock.calls() - asked) / spent.seconds, 2)}
        figures["workers_core_pct"] = round(spent.figures(1)["worker_cpu_us"] / 1e4 / spent.seconds, 1)
        done, others = stand.count("completed"), waiting - stand.count("in_doubt")
        stand.mock.faults()
        back = Spent(stand)
        stand.until(lambda: stand.count("completed") > done, "the first is completed")
        figures["first_completed_s"] = round(back.seconds, 2)
        drained = drain(stand, others, lambda: stand.count("completed") - done)
        figures |= {f"{name}_{figure}": found[figure] for name, found in (("normal", normal), ("drained", drained))
                    for figure in ("delivered_per_s", "cpu_us", "foreign_cores")}  # fmt: skip
        figures["drained_to_normal"] = round(drained["delivered_per_s"] / normal["delivered_per_s"], 2)
        return figures | {"failed": stand.count("failed")} | ledger(stand)


def recover(waiting: int) -> Figures:
    """Everything is due at once and the queue is empty, while clients submit 100 a second."""
    with Stand() as stand:
        fill(stand.client, waiting)
        stand.client.delete("txn:dramatiq:deliver", "txn:dramatiq:deliver.msgs")
        time.sleep(6)  # the grace of the last one
        stand.start_api()
        began = time.monotonic()
        stand.start_worker()
        load = stand.load(100, 20)
        stand.until(lambda: stand.count("completed") >= waiting, "the backlog is delivered", 600)
        drained = time.monotonic() - began
        out = json.loads(load.communicate()[0])
        return {
            "drain_s": round(drained, 1),
            "delivered_per_s": round(waiting / drained),
            "submit_p99_ms": round(out["p99_ms"], 1),
        }


def memory(transactions: int) -> Figures:
    """Bytes in Redis for each transaction, and what the processes hold afterwards."""
    with Stand() as stand:
        stand.start_everything()
        stand.workers[0].stop(20)
        empty = stand.used_memory()
        fill(stand.client, transactions)
        waiting = stand.used_memory()
        stand.start_worker()
        stand.until_quiet(900)
        completed = stand.used_memory()
        stand.saturate(10)
        return {
            "bytes_per_waiting": round((waiting - empty) / transactions),
            "bytes_per_completed": round((completed - empty) / transactions),
            "worker_mib": round(stand.resident_mib("worker")),
            "api_mib": round(stand.resident_mib("api")),
        }


def backlog(sizes: tuple[int, ...], seconds: int) -> Figures:
    """Accept and deliver rates while so many wait."""
    figures: Figures = {}
    for size in sizes:
        with Stand() as stand:
            fill(stand.client, max(size, 1))
            stand.start_api("--workers", "1", cores=[0])
            spent, accepted = Spent(stand), stand.count("accepted")
            figures[f"accept_per_s_at_{size}"] = stand.saturate(seconds)
            figures |= _at(size, "accept", ("api", "redis"), spent.figures(stand.count("accepted") - accepted))
            stand.processes["api"].stop(20)
            fill(stand.client, 30_000, first=size + 1)
            stand.confine(1)
            stand.start_worker(1, THREADS, cores=[0])
            stand.until(lambda: stand.count("completed") > 500, "the first are delivered")
            spent, done = Spent(stand), stand.count("completed")
            time.sleep(seconds)
            count = stand.count("completed") - done
            figures[f"deliver_per_s_at_{size}"] = round(count / spent.seconds, 1)
            figures |= _at(size, "deliver", ("worker", "redis"), spent.figures(count))
    rates = [figures[f"deliver_per_s_at_{size}"] for size in sizes]
    return figures | {"deliver_last_to_first": round(rates[-1] / rates[0], 2)}


def _at(size: int, what: str, roles: tuple[str, ...], costs: dict[str, float]) -> Figures:
    found: Figures = {f"{what}_{role}_cpu_us_at_{size}": costs[f"{role}_cpu_us"] for role in roles}
    return found | {f"{what}_foreign_cores_at_{size}": costs["foreign_cores"]}


def undisturbed(measure: Callable[[], Figures]) -> Figures:
    """The figures of a try during which other processes did little; of the last, if there is none."""
    for _ in range(TRIES):
        figures = measure()
        if max((value for name, value in figures.items() if "foreign_cores" in name), default=0.0) <= FOREIGN_CORES:
            break
    return figures


def drain(stand: Stand, waiting: int, done: Callable[[], int]) -> Figures:
    """Without the first hundred, and without the last two per cent, which may wait for their deadline."""
    stand.until(lambda: done() >= 100, "the first are delivered")
    first, spent = done(), Spent(stand)
    stand.until(lambda: done() >= waiting * 0.98, "the backlog is delivered", 600)
    count, rate = done() - first, (done() - first) / spent.seconds
    return {"delivered_per_s": round(rate, 1)} | spent.figures(count)


def steady(stand: Stand, rate: int, seconds: int) -> Figures:
    accepted, completed, spent = stand.count("accepted"), stand.count("completed"), Spent(stand)
    known, backlogs = stand.histogram(), []
    load = stand.load(rate, seconds)
    while load.poll() is None:
        time.sleep(0.5)
        backlogs.append(stand.unfinished())
    out = json.loads(load.communicate()[0])
    count = stand.count("accepted") - accepted
    costs = spent.figures(count)
    third = max(1, len(backlogs) // 3)
    return {
        "accepted_per_s": round(out["statuses"].get("202", 0) / out["seconds"], 1),
        "completed_per_s": round((stand.count("completed") - completed) / out["seconds"], 1),
        "not_accepted": rate * seconds - count,
        "backlog_first_third": round(sum(backlogs[:third]) / third),
        "backlog_last_third": round(sum(backlogs[-third:]) / third),
        **{f"submit_{name}": round(out[name], 1) for name in ("p50_ms", "p99_ms", "p99_9_ms")},
        **_quantiles(known, stand.histogram()),
        "generator_cpu_us": round(out["cpu_s"] / count * 1e6),
        **costs,
    }


def ledger(stand: Stand, patience_s: float = 120) -> Figures:
    """How long the rest takes, and whether each is there once."""
    stand.mock.faults()
    quiet = stand.until_quiet(patience_s)
    report = stand.audit()
    exact = report["exit_code"] == 0 and stand.count("completed") == stand.count("accepted")
    return {"quiet_after_s": round(quiet, 1), "ledger": "exact" if exact else f"NOT EXACT: {report}"}


def _quantiles(before: dict[float, int], after: dict[float, int]) -> Figures:
    """Upper ends of the buckets in which the quantiles of submit-to-completed lie."""
    counts = {limit: count - before.get(limit, 0) for limit, count in sorted(after.items())}
    found: Figures = {}
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        seen = 0
        for limit, count in counts.items():
            seen += count
            if seen >= share * sum(counts.values()):
                found[f"end_to_end_{name}_below_ms"] = limit
                break
    return found


def _spans(stand: Stand) -> list[int]:
    found = []
    for key in stand.client.scan_iter("txn:t:*"):
        submitted, completed = map(int, stand.client.hmget(key, "submitted", "completed"))  # type: ignore[arg-type]
        found.append(completed - submitted)
    return found
