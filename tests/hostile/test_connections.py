"""One worker process, a client that submits 50 a second, and many that mean no good."""

import json
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from tests.hostile import attacks
from tests.hostile.attacks import Steps
from tests.hostile.rig import Swarm, good_client, memory_mib, workers
from tests.system.stack import Stack, stack_fixture

pytestmark = pytest.mark.timeout(300)

#: What the good client sends in a second or two.
LEAST = 50
ELSEWHERE = "127.0.0.2"
SAME = "127.0.0.1"
#: A process's 1,000 connections with 16 KB each would be 16 MiB.
MEMORY_MIB = 64

stack = stack_fixture({"WEB_CONCURRENCY": "1"}, scope="module")


def besiege(stack: Stack, swarms: list[Swarm], seconds: float) -> None:
    before, memory = workers(stack), memory_mib(stack)
    with ExitStack() as open_ones:
        for swarm in swarms:
            open_ones.enter_context(swarm)
        time.sleep(0.5)  # they are in; what counts is not when
        with good_client(stack, LEAST) as figures:
            time.sleep(seconds)
    print(json.dumps(figures))
    assert figures["answered"] == figures["sent"] >= LEAST
    assert figures["p99_ms"] < 10_000
    assert workers(stack) == before, "no worker was killed"
    stack.until(lambda: memory_mib(stack) < memory + MEMORY_MIB, "memory comes back")


@pytest.mark.parametrize("seconds", [1, pytest.param(40, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    ("attack", "count", "address"),
    [
        (attacks.pipelines, 10, SAME),
        (attacks.pipelines_without_reading, 50, SAME),
        (attacks.streams_a_body_that_is_too_long, 4, SAME),
        (attacks.streams_chunks_without_an_end, 4, SAME),
        (attacks.drips_a_long_header, 20, SAME),
        (attacks.drips_a_header, 200, SAME),
        (attacks.drips_a_trailer, 200, SAME),
        (attacks.drips_a_body, 1000, ELSEWHERE),
        (attacks.drips_a_body, 1000, SAME),
        (attacks.does_nothing, 2000, ELSEWHERE),
        (attacks.does_nothing, 2000, SAME),
        (attacks.sends_rubbish, 50, SAME),
    ],
    ids=lambda value: value.__name__ if callable(value) else str(value),
)
def test_a_good_client_goes_on(
    stack: Stack, attack: Callable[[socket.socket], Steps], count: int, address: str, seconds: float
) -> None:
    besiege(stack, [Swarm(stack.api_port, attack, count, address)], seconds)


@pytest.mark.long
def test_a_good_client_goes_on_with_all_of_them_at_once(stack: Stack) -> None:
    kinds = [(attacks.pipelines, 3), (attacks.drips_a_header, 100), (attacks.drips_a_trailer, 100)]
    kinds += [(attacks.drips_a_body, 300), (attacks.does_nothing, 1000), (attacks.sends_rubbish, 20)]
    besiege(stack, [Swarm(stack.api_port, attack, count, ELSEWHERE) for attack, count in kinds], 60)
