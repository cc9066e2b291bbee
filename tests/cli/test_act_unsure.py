from collections.abc import Iterator

import pytest

from ops.redis_server import RedisServer
from tests.cli.terminal import Commands
from tests.parts import Parts
from tests.proxy import CuttingProxy
from txn.model.dead_letter import Action, Filter
from txn.operate.bulk_runs import Run
from txn.operate.operations import MAX_IDS


@pytest.fixture
def proxy(valkey: RedisServer) -> Iterator[CuttingProxy]:
    with CuttingProxy(valkey.port) as proxy:
        yield proxy


# Otherwise the answer that is lost would be that the server does not know the script.
@pytest.fixture(autouse=True)
def known_scripts(parts: Parts) -> None:
    parts.operations.replay(["nobody"], "x")
    parts.start_run("first", Action.REPLAY, Filter())
    parts.runs.stop("first", "x")


def new_run(parts: Parts) -> Run:
    [run] = [run for run in parts.runs.recent() if run.id != "first"]
    return run


@pytest.fixture
def txn(parts: Parts, proxy: CuttingProxy) -> Commands:
    return Commands(
        {"TXN_REDIS_URL": f"redis://127.0.0.1:{proxy.port}/0", "TXN_PREFIX": parts.settings.prefix},
    )


def test_a_replay_whose_answer_was_lost_may_have_been_done(txn: Commands, parts: Parts, proxy: CuttingProxy) -> None:
    parts.fail("a")
    proxy.cut_answers(b"cut-me")
    done = txn("replay", "a", "--yes", "--as", "cut-me")
    assert (done.code, done.out, proxy.cuts) == (2, "", 1)
    assert done.err.startswith("txn replay: Redis cannot be reached: it closed the connection")
    assert done.err.endswith(". It may have been done or not: check with txn show before you repeat it\n")
    assert parts.status("a") == "pending"


def test_a_run_whose_beginning_was_not_answered_is_named(txn: Commands, parts: Parts, proxy: CuttingProxy) -> None:
    parts.fail("a")
    proxy.cut_answers(b"cut-me")
    done = txn("discard", "--all", "--why", "cut-me", "--yes")
    run = new_run(parts)
    assert (done.code, done.out) == (2, "")
    assert f"It may have been done or not: check /admin/bulk/{run.id} " in done.err


def test_a_run_that_cannot_be_watched_any_more_goes_on(txn: Commands, parts: Parts, proxy: CuttingProxy) -> None:
    parts.fail("a")
    proxy.cut_answers(b"HGETALL")
    done = txn("replay", "--all", "--yes")
    run = new_run(parts)
    assert (done.code, done.out, run.state) == (2, "", "running")
    assert done.err.endswith(f"The run goes on when Redis is back: /admin/bulk/{run.id}\n")


def test_without_redis_nothing_is_asked(txn: Commands, proxy: CuttingProxy) -> None:
    proxy.refuse()
    with txn.at_terminal("replay", "a") as terminal:
        assert terminal.ends() == 2
    assert terminal.seen.split()[:6] == ["txn", "replay:", "Redis", "cannot", "be", "reached:"]


def test_too_many_ids_are_refused_before_anything_is_asked(txn: Commands) -> None:
    with txn.at_terminal("replay", *map(str, range(MAX_IDS + 1))) as terminal:
        assert terminal.ends() == 2
    assert f"at most {MAX_IDS} ids at once" in terminal.seen
    assert "?" not in terminal.seen
