"""What a drill does to the processes, in which order and when: the same for the same seed."""

import random
import signal
import time
from dataclasses import dataclass

import psutil

from ops.drill.stand import LATEST_WRITE_MS, LEASE_AND_DOUBT_S, Stand, clients
from ops.redis_server import RedisServer

#: Name -> how long it lasts, in s.
BLOWS = {
    "worker process killed with -9": 0.0,
    "worker process stands still": 0.8 * LEASE_AND_DOUBT_S,
    "API process killed with -9": 0.0,
    "Redis killed with -9": 2.0,
    "Redis moves": 6.0,
    "posting service down": 10.0,
    "posting service answers 503": 6.0,
    "POSTs hang": 8.0,
    "posting service moves": 4.0,
    "every fault": 10.0,
}
#: By then, whoever was killed is back.
RESTART_WITHIN_S = 15.0
#: Long enough to tell who still uses the demoted server from who has left it.
QUICK = {name: min(lasts, 4.0 if name == "Redis moves" else 2.0) for name, lasts in BLOWS.items()}

#: How the posting service is away: what it then does.
OUTAGES: dict[str, dict[str, float]] = {
    "posting service down": {},
    "posting service answers 503": {"unavailable": 1, "get_fail": 1},
    "POSTs hang": {"hang_write": 1, "hang_min_ms": 1_500, "hang_max_ms": LATEST_WRITE_MS},
}

FAULTS = {
    "fail_before": 0.2,
    "fail_after": 0.2,
    "truncate": 0.02,
    "hang_write": 0.03,
    "hang_min_ms": 1_000,
    "hang_max_ms": LATEST_WRITE_MS,
    "get_fail": 0.05,
    "latency_ms": 20,
}


class BlowMissed(Exception):
    """A blow struck nobody, or somebody has not got over it."""


@dataclass(frozen=True)
class Blow:
    """`at`: seconds after the load began; `lasts`: seconds."""

    name: str
    at: float
    lasts: float


def plan(seed: int, seconds: float, blows: dict[str, float]) -> list[Blow]:
    """All blows, one after the other, in a random order with random gaps, within `seconds`."""
    draw = random.Random(seed)
    names = sorted(blows)
    draw.shuffle(names)
    spare = max(0.0, seconds - sum(blows.values()) - 1)
    marks = sorted(draw.uniform(0, spare) for _ in names)
    planned, passed = [], 0.0
    for name, mark in zip(names, marks, strict=True):
        planned.append(Blow(name, 1 + mark + passed, blows[name]))
        passed += blows[name]
    return planned


def strike(stand: Stand, blow: Blow, draw: random.Random) -> None:
    """Strike, and return when the blow is over."""
    match blow.name:
        case "worker process killed with -9":
            _signal(stand, f"worker{draw.randrange(2)}", signal.SIGKILL, draw)
        case "API process killed with -9":
            _signal(stand, "api", signal.SIGKILL, draw)
        case "worker process stands still":
            stopped = _signal(stand, f"worker{draw.randrange(2)}", signal.SIGSTOP, draw)
            time.sleep(blow.lasts)
            if stopped.is_running():
                stopped.send_signal(signal.SIGCONT)
        case "Redis killed with -9":
            stand.redis_server.kill()
            time.sleep(blow.lasts)
            stand.redis_server.start()
        case "Redis moves":
            demoted, stayed = stand.fail_over()
            _must(stayed, "no connection was at the server that Redis has left")
            time.sleep(blow.lasts)
            _until_left(demoted)
        case "posting service moves":
            _move_posting(stand)
            time.sleep(blow.lasts)
            _until_asked(stand)
        case outage if outage in OUTAGES:
            _go_away(stand, blow)
        case "every fault":
            stand.mock.faults(**FAULTS)
            time.sleep(blow.lasts)
            stand.mock.faults()


def _go_away(stand: Stand, blow: Blow) -> None:
    """For as long as it lasts, and until the breaker has opened: else nothing of it was shown."""
    ends = time.monotonic() + blow.lasts
    stand.mock.faults(**OUTAGES[blow.name])
    if not OUTAGES[blow.name]:
        stand.mock.down()
    while stand.client.hget("txn:posting", "breaker") != b"open":
        _must(time.monotonic() < ends + RESTART_WITHIN_S, "the breaker did not open")
        time.sleep(0.05)
    time.sleep(max(0.0, ends - time.monotonic()))
    stand.mock.faults()
    stand.mock.up()


def _move_posting(stand: Stand) -> None:
    """Away from somebody: after an outage a while may pass before anybody is connected."""
    deadline = time.monotonic() + RESTART_WITHIN_S
    while not stand.mock.moved()["connections"]:
        _must(time.monotonic() < deadline, "no connection was at the server that the posting service has left")
        time.sleep(0.05)
        stand.mock.move()


def _until_left(demoted: RedisServer) -> None:
    """A machine that stands still lets everybody stay for longer."""
    deadline = time.monotonic() + RESTART_WITHIN_S
    while left := clients(demoted):
        _must(time.monotonic() < deadline, f"{left} connections are still in use at the demoted Redis")
        time.sleep(0.25)


def _until_asked(stand: Stand) -> None:
    deadline = time.monotonic() + RESTART_WITHIN_S
    while not stand.mock.moved()["answers"]:
        _must(time.monotonic() < deadline, "nobody has asked the server that the posting service has left")
        time.sleep(0.05)


def _must(true: object, otherwise: str) -> None:
    if not true:
        raise BlowMissed(otherwise)


def _signal(stand: Stand, name: str, number: signal.Signals, draw: random.Random) -> psutil.Process:
    """Hit one of them. Raises: TimeoutError if there is nobody: a blow that strikes nobody shows nothing."""
    deadline = time.monotonic() + RESTART_WITHIN_S
    while not (children := stand.processes[name].children()):  # an earlier blow may have taken them down
        if time.monotonic() > deadline:
            raise TimeoutError(f"no process of {name} within {RESTART_WITHIN_S:.0f} s")
        time.sleep(0.05)
    chosen = draw.choice(sorted(children, key=lambda child: child.pid))
    chosen.send_signal(number)
    return chosen
