"""The real processes with partitions on the nodes of a cluster."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops.redis_server import RedisServer
from tests.system.failover import check, fail_over, frozen, killed
from tests.system.spread import Divided, SpreadStack
from tests.system.stack import Stack
from txn.partitions.place import partition_of

pytestmark = pytest.mark.timeout(300)

COUNT = 8


class PatientStack(SpreadStack):
    """Its nodes are gone, or there: only a busy machine makes one silent."""

    api_module = Stack.api_module


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[SpreadStack]:
    with PatientStack(tmp_path, COUNT) as found:
        yield found


def test_a_node_that_is_gone_takes_only_its_own_with_it(stack: SpreadStack) -> None:
    stack.mock.faults(fail_before=0.1, fail_after=0.1)
    stack.start_worker(processes=1)
    accepted = stack.submit_many(50)
    node = stack.primary()
    gone = stack.of_node(node)
    node.kill()
    names = [f"n{number}" for number in range(24)]
    away = {name for name in names if partition_of(name, COUNT) in gone}
    answers = {name: stack.try_to_submit(name) for name in names}
    assert {name for name, answer in answers.items() if answer.status_code == 503} == away
    assert all(answers[name].headers["Retry-After"] for name in away)
    rest = set(names) - away
    stack.until(lambda: all(stack.status(name)["status"] == "completed" for name in rest), "the others are delivered")
    place = f"127.0.0.1:{node.port}"
    where = f" (on {place})"
    stack.until(lambda: said_away("\n".join(stack.health()["problems"]), where) == set(gone), "health names them")
    stack.until(lambda: said_away(doctor(stack)) == set(gone), "nobody else is silent")
    assert f"start {place}" in doctor(stack)
    node.start()
    for name in away:
        stack.until(lambda name=name: stack.try_to_submit(name).status_code in (200, 202), "it is let in")  # type: ignore[misc]
    stack.until_quiet(120)
    stack.check_ledger([*accepted, *names])
    assert stack.audit()["exit_code"] == 0


def doctor(stack: SpreadStack) -> str:
    done = stack.command("doctor")
    assert done.returncode == 1
    return " ".join(done.stdout.split())


def said_away(text: str, where: str = "") -> set[int]:
    """The partitions that a text names, one by one or together."""
    found = re.findall(rf"[Pp]artitions? ([\d, and]+) of {COUNT}{re.escape(where)}", text)
    return {int(number) for numbers in found for number in re.findall(r"\d+", numbers)}


def kill(node: RedisServer) -> None:
    node.kill()


def freeze(node: RedisServer) -> None:
    node.freeze()


def back(node: RedisServer) -> None:
    """It hangs no more, or is started again."""
    node.thaw() if node.process else node.start()


def go_on_without_one(
    folder: Path, away: Callable[[RedisServer], None], well_s: float, away_s: float, factor: float
) -> None:
    """`factor`: so much less is blamed on others who use this machine. Who waits for the node comes to a twentieth."""
    with SpreadStack(folder, COUNT) as stack:
        stack.start_worker()
        node = stack.primary()
        with Divided(stack, stack.of_node(node)) as load:
            stack.until(lambda: len(stack.mock.rows()) > 100, "it is under way")
            before = load.rate(well_s)
            away(node)
            meanwhile = load.rate(away_s)
            back(node)
        print(f"of the others, accepted and posted a second: {before} with all nodes, {meanwhile} without one")
        stack.until_quiet(120)
        stack.check_ledger(load.accepted)
        assert stack.audit()["exit_code"] == 0
        assert all(now > then / factor for now, then in zip(meanwhile, before, strict=True)), (before, meanwhile)


@pytest.mark.slow
def test_while_one_node_of_three_hangs_the_others_go_on_at_full_rate(tmp_path: Path) -> None:
    go_on_without_one(tmp_path, freeze, well_s=3, away_s=6, factor=10)


@pytest.mark.long
@pytest.mark.parametrize("away", [kill, freeze])
def test_one_node_of_three_down_for_30_s_under_load_the_other_two_thirds_go_on_at_full_rate(
    tmp_path: Path, away: Callable[[RedisServer], None]
) -> None:
    go_on_without_one(tmp_path, away, well_s=10, away_s=30, factor=3)


@pytest.mark.long
@pytest.mark.parametrize("fault", [killed, frozen])
def test_after_a_failover_of_one_node_everything_acknowledged_is_there_once(
    tmp_path: Path, fault: Callable[[SpreadStack, RedisServer], None]
) -> None:
    with SpreadStack(tmp_path, COUNT, replicas=2) as stack:
        check(stack, fail_over(stack, fault, seed=1, seconds=8))
