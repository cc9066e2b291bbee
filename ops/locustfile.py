"""A swarm of clients for locust: `make swarm`, or `locust -f ops/locustfile.py` against what TXN_SWARM_HOST names.

Users submit, repeat, ask, and send what must be refused. At the end the ledger is checked and one verdict printed.
"""

import argparse
import math
import time

import gevent
import locust.stats
from locust import LoadTestShape, events
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from ops.swarm import conclusion, stages
from ops.swarm.client import Client, collected

__all__ = ["Client", "Stages"]  # locust takes them from here

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


@events.init_command_line_parser.add_listener
def options(parser: argparse.ArgumentParser) -> None:
    """Also fields of the web page."""
    parser.add_argument(
        "--rate", type=conclusion.positive, default=300, env_var="TXN_SWARM_RATE", help="requests a second"
    )
    parser.add_argument(
        "--seconds", type=conclusion.positive, default=60, env_var="TXN_SWARM_SECONDS", help="how long, ramp included"
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
    environment.process_exit_code = conclusion.NOT_JUDGED


@events.test_stop.add_listener
def end(environment: Environment, **_: object) -> None:
    """Where all results are: on the master, or on the only one. Locust also stops what was never started."""
    if isinstance(environment.runner, WorkerRunner):
        environment.process_exit_code = 0
        return
    if not collected.running:
        return
    collected.running = False
    text = conclusion.conclude(environment, collected)
    if environment.parsed_options.headless:
        environment.events.quit.add_listener(lambda **_: print(text, flush=True))  # below locust's tables
    else:
        print(text, flush=True)
