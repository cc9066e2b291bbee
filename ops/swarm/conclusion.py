"""The end of a run: locust's statistics and the ledger into one verdict, printed and made the exit code."""

import argparse
import os
import statistics

from locust.env import Environment

from ops.swarm import ledger, report, stages, verdict
from ops.swarm.collected import Collected

#: Until there is a verdict, and if something breaks on the way to it.
NOT_JUDGED = 2


def conclude(environment: Environment, collected: Collected) -> str:
    """The verdict in words; its number becomes the exit code. Takes as long as txn needs to be quiet, and the audit."""
    load = seen(environment, collected)
    host = environment.host or environment.user_classes[0].host
    print(
        f"\nswarm: {load.submits:,} submits are made; now for what became of them",
        flush=True,
    )
    found = ledger.check(host, collected.acknowledged, os.environ)
    judged = verdict.judge(load, found)
    environment.process_exit_code = judged.exit_code
    return "\n".join(["", *report.lines(load, found, judged), ""])


def seen(environment: Environment, collected: Collected) -> verdict.Load:
    """What locust has counted."""
    options, shape, stats = environment.parsed_options, environment.shape_class, environment.stats
    submits = stats.get("submit", "POST")
    full = stages.full_seconds(shape.began, options.seconds)
    failures = {f"{error.method} {error.name}: {error.error}": error.occurrences for error in stats.errors.values()}
    crashes = {f"a user crashed: {found['msg']}": found["count"] for found in environment.runner.exceptions.values()}
    return verdict.Load(
        asked=options.rate,
        achieved=stages.achieved(stats.total.num_reqs_per_sec, full),
        submits=submits.num_requests,
        submit_p99_ms=submits.get_response_time_percentile(0.99) or 0,
        failures=failures | crashes,
        late_p99_ms=statistics.quantiles(collected.late_ms, n=100)[98] if len(collected.late_ms) > 1 else 0,
        cut_short=not shape.over,
    )


def positive(text: str) -> int:
    """Raises: argparse.ArgumentTypeError."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)
