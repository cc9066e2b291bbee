"""A swarm of clients for locust: `make swarm`, or `locust -f ops/locustfile.py` against what TXN_SWARM_HOST names.

Users submit, repeat, ask, and send what must be refused. At the end the ledger is checked and one verdict printed.
"""

import argparse
import math
import os
import statistics
import time

import gevent
import locust.stats
from locust import LoadTestShape, events
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from ops.swarm import ledger, stages, verdict
from ops.swarm.client import Client, collected

__all__ = ["Client", "Stages"]  # locust takes them from here

#: The exit code until there is a verdict, and if something breaks on the way to it.
NOT_JUDGED = 2
#: To the millisecond, upwards: locust's own steps of 10 ms would let 104 pass as 100.
locust.stats.bucket_response_time = math.ceil


class Stages(LoadTestShape):
    """A quarter, a half, three quarters, all of the rate; then nobody, until all is reported."""

    began = 0.0
    over = False

    def tick(self) -> tuple[int, float] | None:
        """Users, and how many of them to start a second: all."""
        options = self.runner.environment.parsed_options
        users = stages.users_at(self.get_run_time(), options.rate, options.seconds)
        self.began, self.over = time.time() - self.get_run_time(), users is None
        return None if users is None else (users, max(1, options.rate))


def positive(text: str) -> int:
    """Raises: argparse.ArgumentTypeError."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


@events.init_command_line_parser.add_listener
def options(parser: argparse.ArgumentParser) -> None:
    """Also fields of the web page."""
    parser.add_argument("--rate", type=positive, default=300, env_var="TXN_SWARM_RATE", help="requests a second")
    parser.add_argument(
        "--seconds", type=positive, default=60, env_var="TXN_SWARM_SECONDS", help="how long, ramp included"
    )


@events.init.add_listener
def prepare(environment: Environment, **_: object) -> None:
    """In every process of the swarm."""
    environment.stop_timeout = 10  # a user who is in the middle of a request may finish it
    if isinstance(environment.runner, WorkerRunner):
        environment.events.report_to_master.add_listener(lambda client_id, data: collected.hand_over(data))
    if isinstance(environment.runner, MasterRunner):
        environment.events.worker_report.add_listener(lambda client_id, data: collected.take(data))
    else:
        gevent.spawn(collected.look_at_the_clock)


@events.test_start.add_listener
def begin(environment: Environment, **_: object) -> None:
    """Again and again, with the web page."""
    collected.clear()
    collected.running = True
    environment.process_exit_code = NOT_JUDGED


@events.test_stop.add_listener
def end(environment: Environment, **_: object) -> None:
    """Where all results are: on the master, or on the only one. Locust also stops what was never started."""
    if isinstance(environment.runner, WorkerRunner):
        environment.process_exit_code = 0
        return
    if not collected.running:
        return
    collected.running = False
    text = conclude(environment)
    if environment.parsed_options.headless:
        environment.events.quit.add_listener(lambda **_: print(text, flush=True))  # below locust's tables
    else:
        print(text, flush=True)


def conclude(environment: Environment) -> str:
    """The verdict in words; its number becomes the exit code. Takes as long as txn needs to be quiet, and the audit."""
    load = seen(environment)
    host = environment.host or environment.user_classes[0].host
    print(
        f"\nswarm: {load.submits:,} submits are made; now for what became of them",
        flush=True,
    )
    found = ledger.check(host, collected.acknowledged, os.environ)
    judged = verdict.judge(load, found)
    environment.process_exit_code = judged.exit_code
    return "\n".join(["", *verdict.lines(load, found, judged), ""])


def seen(environment: Environment) -> verdict.Load:
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
