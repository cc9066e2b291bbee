import pytest

from tests.cli.terminal import Commands
from tests.parts import Parts

ABOUT = {"host": "h1", "pid": "7", "threads": "16", "version": "1", "started": "1", "processed": "3", "rate": "2.5"}


def test_with_none_alive_it_says_what_to_do(txn: Commands) -> None:
    done = txn("workers")
    assert (done.code, done.err) == (0, "")
    assert "No worker is alive: start one: dramatiq txn.worker" in done.out


def test_those_that_are_alive_are_listed(txn: Commands, parts: Parts) -> None:
    parts.messages("one").heartbeat(ABOUT)
    done = txn("workers")
    assert done.code == 0
    assert "h1:7" in done.out
    [worker] = txn("workers", "--json").json["workers"]
    assert {name: worker[name] for name in ("name", "alive", "threads", "holds", "messagesPerSecond")} == {
        "name": "h1:7",
        "alive": True,
        "threads": 16,
        "holds": 0,
        "messagesPerSecond": 2.5,
    }


@pytest.mark.parametrize("columns", [40, 80])
def test_it_fits_the_terminal(txn: Commands, parts: Parts, columns: int) -> None:
    parts.messages("one").heartbeat(ABOUT)
    assert max(map(len, txn("workers", columns=columns).out.splitlines())) <= columns


def test_one_that_disappeared_is_still_there_with_what_it_held(txn: Commands, parts: Parts) -> None:
    parts.messages("dead").heartbeat(ABOUT | {"in_flight": 3})
    parts.clock.forward(11_000)
    parts.messages("alive").heartbeat(ABOUT | {"pid": "8"})
    assert "Worker h1:7 disappeared without a goodbye: it had 3 deliveries in flight" in txn("workers", columns=200).out
    [gone] = txn("workers", "--json").json["gone"]
    assert gone["lastHeartbeatAt"].endswith("Z")
    assert {name: gone[name] for name in ("name", "inFlight", "returned")} == {
        "name": "h1:7",
        "inFlight": 3,
        "returned": 0,
    }
