import contextlib
import threading
from collections import Counter

import pytest

from tests.parts import Parts, writes_nothing
from txn.errors import NotFound, StoreUnavailable
from txn.model.dead_letter import Action, Filter
from txn.model.outcome import Clear, Failed
from txn.model.transaction import ErrorCode
from txn.operate import bulk_runner as bulk
from txn.operate.bulk_runner import BUSY_S, CHUNK, IDLE_S, BulkRunner
from txn.operate.bulk_runs import LEASE_MS, RUNS_KEPT, Run


@pytest.fixture
def runner(parts: Parts) -> BulkRunner:
    return new_runner(parts, "one")


def new_runner(parts: Parts, name: str) -> BulkRunner:
    return BulkRunner(parts.runs, parts.letters, name)


def start(parts: Parts, what: Action = Action.REPLAY, run_id: str = "run", **wanted: str | int) -> Run:
    parts.start_run(run_id, what, Filter(**wanted), "ada", "it is back")  # type: ignore[arg-type]
    return parts.runs.read(run_id)


def fail_apart(parts: Parts, number: int) -> list[str]:
    """Dead letters of a millisecond each, for a chunk never ends within one."""
    names = []
    for _ in range(number):
        names.append(parts.fail())
        parts.clock.forward(1)
    return names


def to_the_end(parts: Parts, *runners: BulkRunner) -> Run:
    for _ in range(100):
        if not parts.runs.active():
            return parts.runs.read("run")
        for runner in runners:
            runner.tick()
    raise AssertionError(f"never ends: {parts.runs.read('run')}")


def replays(parts: Parts, names: list[str]) -> Counter[int]:
    """How often -> how many were replayed so often."""
    return Counter(parts.record(name).get("history", "").count('"what":"replay"') for name in names)


def test_a_run_replays_all_that_had_failed_when_it_began_and_counts(parts: Parts, runner: BulkRunner) -> None:
    names = fail_apart(parts, 2 * CHUNK + 7)
    assert start(parts).total == len(names)
    parts.clock.forward(10)
    later = parts.fail()
    run = to_the_end(parts, runner)
    assert (run.state, run.looked, run.done, run.gone, run.other) == ("done", len(names), len(names), 0, 0)
    assert run.share == 1.0
    assert replays(parts, names) == {1: len(names)}
    assert parts.status(later) == "failed"
    assert '"by":"ada","what":"replay","why":"it is back","run":"run"' in parts.record(names[0])["history"]


def test_a_run_takes_only_what_matches(parts: Parts, runner: BulkRunner) -> None:
    euros = b'{"amount": 1, "currency": "EUR", "description": "x"}'
    wanted = [parts.fail(body=euros, detail="Answered 422") for _ in range(3)]
    others = [parts.fail(), parts.fail(body=euros), parts.fail(detail="answered 422")]
    others.append(parts.fail(code=ErrorCode.CONFLICT, body=euros, detail="answered 422"))
    start(parts, code="rejected", currency="EUR", text="answered")
    run = to_the_end(parts, runner)
    assert (run.total, run.looked, run.done, run.other) == (6, 6, 3, 3)
    assert {parts.status(name) for name in wanted} == {"pending"}
    assert {parts.status(name) for name in others} == {"failed"}


def test_a_run_keeps_to_its_time(parts: Parts, runner: BulkRunner) -> None:
    names = []
    for _ in range(4):
        names.append(parts.fail())
        parts.clock.forward(1_000)
    times = [int(parts.record(name)["completed"]) for name in names]
    assert start(parts, since_ms=times[1], until_ms=times[2]).total == 2
    to_the_end(parts, runner)
    assert [parts.status(name) for name in names] == ["failed", "pending", "pending", "failed"]


def test_a_run_discards(parts: Parts, runner: BulkRunner) -> None:
    names = [parts.fail() for _ in range(3)]
    start(parts, Action.DISCARD)
    assert to_the_end(parts, runner).done == 3
    assert all("discarded" in parts.record(name) for name in names)
    assert parts.read_statistics().totals.dead == 0


def test_what_fails_again_is_not_replayed_twice_by_the_same_run(
    parts: Parts, runner: BulkRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "PER_TICK", 1)
    names = fail_apart(parts, 2 * CHUNK)
    start(parts)
    runner.tick()
    replayed = [name for name in names if parts.status(name) == "pending"]
    assert len(replayed) == CHUNK
    parts.clock.forward(10)
    for name in replayed:
        parts.settle(parts.claimed(name), Failed(ErrorCode.REJECTED, "again", Clear()))
    to_the_end(parts, runner)
    assert replays(parts, names) == {1: len(names)}
    assert {parts.status(name) for name in replayed} == {"failed"}


def test_what_somebody_else_has_dealt_with_meanwhile_is_left_alone_and_counted(
    parts: Parts, runner: BulkRunner
) -> None:
    names = [parts.fail() for _ in range(4)]
    run = start(parts)
    chunk = parts.letters.chunk(run.filter, run.cursor_ms, run.before_ms, CHUNK)
    parts.operations.discard([names[0]], "vic", "a test")
    parts.operations.replay([names[1]], "vic")
    parts.clock.forward(10)
    parts.settle(parts.claimed(names[1]), Failed(ErrorCode.REJECTED, "again", Clear()))
    assert parts.runs.take("run", "w") == "taken"
    assert parts.runs.step(run, "w", chunk, "{}") == "finished"
    run = parts.runs.read("run")
    assert (run.looked, run.done, run.gone) == (4, 2, 2)
    assert [parts.status(name) for name in names] == ["failed", "failed", "pending", "pending"]


def test_a_worker_that_dies_between_two_chunks_loses_and_doubles_nothing(
    parts: Parts, runner: BulkRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "PER_TICK", 1)
    names = fail_apart(parts, 3 * CHUNK)
    start(parts)
    runner.tick()  # and is never heard of again
    heir = new_runner(parts, "two")
    assert heir.tick() == IDLE_S
    assert parts.runs.read("run").done == CHUNK
    parts.clock.forward(LEASE_MS + 1)
    assert heir.tick() == BUSY_S
    run = to_the_end(parts, heir)
    assert (run.done, run.worker) == (3 * CHUNK, "two")
    assert replays(parts, names) == {1: 3 * CHUNK}


def test_a_chunk_that_was_read_before_the_lease_was_lost_does_nothing(parts: Parts, runner: BulkRunner) -> None:
    names = []
    for _ in range(3):
        names.append(parts.fail())
        parts.clock.forward(1)  # a chunk has all of its last millisecond
    run = start(parts)
    assert parts.runs.take("run", "slow") == "taken"
    chunk = parts.letters.chunk(run.filter, run.cursor_ms, run.before_ms, 1)
    parts.clock.forward(LEASE_MS + 1)
    assert parts.runs.take("run", "quick") == "taken"
    assert parts.runs.step(run, "slow", chunk, "{}") == "lost"
    assert parts.runs.step(run, "quick", chunk, "{}") == "moved"
    assert parts.runs.step(run, "quick", chunk, "{}") == "elsewhere"
    assert replays(parts, names) == {0: 3}
    assert parts.runs.read("run").done == 1


def test_two_runners_at_once_do_everything_once(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("txn.operate.bulk_runs.LEASE_MS", 1)
    monkeypatch.setattr(bulk, "CHUNK", 5)
    monkeypatch.setattr(bulk, "PER_TICK", 1)
    names = [parts.fail() for _ in range(150)]
    start(parts)
    runners = [new_runner(parts, name) for name in ("one", "two", "three")]
    gate = threading.Barrier(len(runners))

    def work(runner: BulkRunner) -> None:
        gate.wait()
        while parts.runs.active():
            runner.tick()

    threads = [threading.Thread(target=work, args=(runner,)) for runner in runners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run = parts.runs.read("run")
    assert (run.state, run.looked, run.done, run.gone) == ("done", 150, 150, 0)
    assert replays(parts, names) == {1: 150}


def test_a_run_that_is_stopped_stands_still_and_a_new_one_does_the_rest(
    parts: Parts, runner: BulkRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "PER_TICK", 1)
    names = fail_apart(parts, 3 * CHUNK)
    start(parts)
    runner.tick()
    assert parts.operations.stop_run("run", "vic") == "stopped"
    assert parts.operations.stop_run("run", "vic") == "over"
    assert parts.operations.stop_run("other", "vic") == "unknown"
    assert runner.tick() == IDLE_S
    run = parts.runs.read("run")
    assert (run.state, run.stopped_by, run.done) == ("stopped", "vic", CHUNK)
    start(parts, run_id="rest")
    to_the_end(parts, runner)
    assert parts.runs.read("rest").done == 2 * CHUNK
    assert replays(parts, names) == {1: 3 * CHUNK}


def test_a_chunk_that_was_read_before_the_stop_does_nothing(parts: Parts) -> None:
    names = [parts.fail() for _ in range(3)]
    run = start(parts)
    parts.runs.take("run", "w")
    chunk = parts.letters.chunk(run.filter, run.cursor_ms, run.before_ms, CHUNK)
    parts.operations.stop_run("run", "vic")
    assert parts.runs.step(run, "w", chunk, "{}") == "over"
    assert {parts.status(name) for name in names} == {"failed"}


def failed_alone(parts: Parts, code: ErrorCode) -> str:
    """In a millisecond of its own: letters of one are never parted."""
    parts.clock.forward(1)
    return parts.fail(code=code)


def test_a_run_that_meets_more_than_were_confirmed_does_those_stops_and_leaves_the_rest_to_a_new_one(
    parts: Parts, runner: BulkRunner
) -> None:
    names = fail_apart(parts, 3)
    start(parts)
    hidden = parts.fail()  # as one that no index named, and that the sweep has put back since
    for index in (parts.keys.failed, parts.keys.failed_with("rejected")):
        parts.client.zadd(index, {hidden: int(parts.record(names[0])["completed"])})
    run = to_the_end(parts, runner)
    assert (run.state, run.more, run.confirmed, run.done, run.stopped_by) == ("stopped", True, 3, 3, "")
    assert sorted(parts.status(name) for name in (*names, hidden)) == ["failed", "pending", "pending", "pending"]
    assert [(entry.what, entry.count, entry.confirmed) for entry in parts.journal.read()] == [
        ("replay all: more than confirmed", 3, 3),
        ("replay all", 3, 3),
    ]
    start(parts, run_id="rest")
    to_the_end(parts, runner)
    assert (parts.runs.read("rest").done, parts.runs.read("rest").more) == (1, False)


def test_what_fails_between_the_count_and_the_yes_is_not_in_the_run(parts: Parts, runner: BulkRunner) -> None:
    counted = [parts.fail() for _ in range(3)]
    confirmed = parts.counted(Filter())
    later = [parts.fail() for _ in range(3)]
    parts.operations.start_run("run", Action.REPLAY, Filter(), confirmed, "ada")
    run = to_the_end(parts, runner)
    assert (run.confirmed, run.done, run.missed, run.state) == (3, 3, 0, "done")
    assert {parts.status(name) for name in counted} == {"pending"}
    assert {parts.status(name) for name in later} == {"failed"}


def test_the_journal_says_which_how_many_were_confirmed_and_how_many_were_done(
    parts: Parts, runner: BulkRunner
) -> None:
    names = [parts.fail() for _ in range(3)]
    start(parts, currency="USD", text="no")
    parts.operations.discard([names[0]], "vic", "paid by hand")
    to_the_end(parts, runner)
    found = [(entry.what, entry.count, entry.confirmed, entry.filter) for entry in parts.journal.read()]
    wanted = Filter(currency="USD", text="no")
    assert found[0] == ("replay all: finished", 2, 3, wanted)
    assert found[2] == ("replay all", 3, 3, wanted)
    assert parts.runs.read("run").missed == 1


def test_a_run_that_an_older_version_began_has_no_limit(parts: Parts, runner: BulkRunner) -> None:
    names = [parts.fail() for _ in range(3)]
    start(parts)
    parts.client.hdel(parts.keys.bulk_run("run"), "confirmed")
    run = to_the_end(parts, runner)
    assert (run.done, run.confirmed, run.missed) == (3, None, 0)
    assert replays(parts, names) == {1: 3}


def test_a_run_that_is_started_twice_is_one_run(parts: Parts, runner: BulkRunner) -> None:
    parts.fail()
    first = start(parts)
    parts.clock.forward(1_000)
    assert start(parts).started_ms == first.started_ms
    to_the_end(parts, runner)
    parts.clock.forward(1_000)
    assert start(parts).state == "done"
    assert [entry.what for entry in parts.journal.read()] == ["replay all: finished", "replay all"]


def test_a_replay_trickles_while_the_queue_is_full_and_a_discard_does_not(
    parts: Parts, runner: BulkRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MAX_QUEUED", 2)
    monkeypatch.setattr(bulk, "TRICKLE", 2)
    names = [failed_alone(parts, ErrorCode.REJECTED) for _ in range(7)]
    others = [failed_alone(parts, ErrorCode.CONFLICT) for _ in range(7)]
    parts.client.delete(parts.keys.messages)
    waiting = [parts.accept(), parts.accept()]
    start(parts, code="rejected")
    for moved in (2, 4):  # a little with each tick, for as long as the queue is full
        runner.tick()
        assert [parts.status(name) for name in names] == ["pending"] * moved + ["failed"] * (7 - moved)
    assert parts.runs.read("run").queued >= 2
    start(parts, Action.DISCARD, run_id="discard", code="conflict")
    new_runner(parts, "two").tick()
    assert all("discarded" in parts.record(other) for other in others)
    parts.client.delete(parts.keys.messages)
    monkeypatch.setattr(bulk, "MAX_QUEUED", 500)
    runner.tick()
    assert {parts.status(one) for one in (*names, *waiting)} == {"pending"}


def test_one_process_discards_while_a_replay_trickles(
    parts: Parts, runner: BulkRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MAX_QUEUED", 1)
    monkeypatch.setattr(bulk, "TRICKLE", 1)
    names = [failed_alone(parts, ErrorCode.REJECTED) for _ in range(5)]
    others = [failed_alone(parts, ErrorCode.CONFLICT) for _ in range(5)]
    start(parts, code="rejected")
    start(parts, Action.DISCARD, run_id="discard", code="conflict")
    assert runner.tick() == BUSY_S
    assert all("discarded" in parts.record(other) for other in others)
    assert [parts.status(name) for name in names] == ["pending", *["failed"] * 4]


def test_two_replays_trickle_in_turn_and_no_faster_than_one(
    parts: Parts, runner: BulkRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MAX_QUEUED", 1)
    monkeypatch.setattr(bulk, "TRICKLE", 1)
    for code in (ErrorCode.REJECTED, ErrorCode.CONFLICT):
        for _ in range(3):
            failed_alone(parts, code)
    start(parts, run_id="one", code="rejected")
    start(parts, run_id="two", code="conflict")
    for done in range(1, 5):
        runner.tick()
        assert parts.runs.read("one").done + parts.runs.read("two").done == done
    assert parts.runs.read("one").done == 2


@pytest.mark.parametrize("what", list(Action))
def test_a_short_run_does_not_wait_for_a_long_one(
    parts: Parts, runner: BulkRunner, monkeypatch: pytest.MonkeyPatch, what: Action
) -> None:
    monkeypatch.setattr(bulk, "CHUNK", 2)
    monkeypatch.setattr(bulk, "PER_TICK", 2)
    for _ in range(40):
        failed_alone(parts, ErrorCode.REJECTED)
    last = failed_alone(parts, ErrorCode.CONFLICT)
    start(parts, Action.DISCARD, run_id="long", code="rejected")
    start(parts, what, run_id="short", code="conflict")
    runner.tick()
    runner.tick()
    assert parts.runs.read("short").state == "done"
    assert parts.runs.read("long").done < 5
    assert parts.status(last) == ("pending" if what is Action.REPLAY else "failed")


def test_a_run_that_looks_for_what_there_is_not_does_not_hold_others_up(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(6):
        failed_alone(parts, ErrorCode.REJECTED)
    monkeypatch.setattr("txn.readers.dead_letters.SLICE", 1)
    seconds = iter(range(1_000))
    monkeypatch.setattr(bulk, "TICK_S", 1.5)  # one look a tick
    runner = BulkRunner(parts.runs, parts.letters, "w", lambda: float(next(seconds)))
    start(parts, run_id="looks", text="nowhere")
    start(parts, run_id="short", code="rejected")
    runner.tick()
    runner.tick()
    assert parts.runs.read("short").state == "done"
    assert parts.runs.read("looks").state == "running"


@pytest.mark.parametrize("damage", ["another type", "without its filter"])
def test_a_run_that_cannot_be_moved_does_not_hold_others_up(parts: Parts, runner: BulkRunner, damage: str) -> None:
    for _ in range(3):
        failed_alone(parts, ErrorCode.REJECTED)
    start(parts, run_id="broken")
    start(parts, run_id="sound")
    if damage == "another type":
        parts.client.delete(parts.keys.bulk_run("broken"))
        parts.client.set(parts.keys.bulk_run("broken"), "x")
    else:
        parts.client.hdel(parts.keys.bulk_run("broken"), "filter")
    for _ in range(2):
        with contextlib.suppress(StoreUnavailable, KeyError):
            runner.tick()
    assert parts.runs.read("sound").state == "done"


def test_an_idle_worker_and_one_that_another_is_ahead_of_write_nothing(parts: Parts, runner: BulkRunner) -> None:
    assert writes_nothing(parts.client, runner.tick) == IDLE_S
    parts.client.config_resetstat()
    assert runner.tick() == IDLE_S
    calls = {name: found["calls"] for name, found in parts.client.info("commandstats").items()}
    assert {name: count for name, count in calls.items() if "info" not in name and "config" not in name} == {
        "cmdstat_zrange": 1
    }
    parts.fail()
    start(parts)
    parts.runs.take("run", "somebody else")
    assert writes_nothing(parts.client, runner.tick) == IDLE_S


def test_no_tick_does_more_than_its_share(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "PER_TICK", 10)
    monkeypatch.setattr(bulk, "CHUNK", 5)
    monkeypatch.setattr(bulk, "TICK_S", 0.1)
    for _ in range(30):
        parts.fail()
    start(parts)
    times = iter([0.0, 0.0, 0.0, 0.0, 10.0, 10.0, 20.0])
    runner = BulkRunner(parts.runs, parts.letters, "w", lambda: next(times))
    runner.tick()
    assert 10 <= parts.runs.read("run").done < 15
    done = parts.runs.read("run").done
    runner.tick()  # its time is over before it has begun
    assert parts.runs.read("run").done == done


def test_the_rate_is_that_of_the_latest_seconds(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "PER_TICK", 1)
    monkeypatch.setattr(bulk, "CHUNK", 10)
    for _ in range(60):
        parts.fail()
    start(parts)
    runner, began_ms = new_runner(parts, "w"), parts.read_statistics().now_ms
    for _ in range(5):
        parts.clock.forward(1_000)
        runner.tick()
    took_ms = parts.read_statistics().now_ms - began_ms  # 5 s, and what the machine has taken
    assert 50_000 // took_ms - 2 <= parts.runs.read("run").rate <= 12


def test_old_runs_are_forgotten_and_those_that_go_on_are_not(parts: Parts) -> None:
    start(parts, run_id="goes-on")
    for number in range(RUNS_KEPT + 5):
        parts.clock.forward(1)
        start(parts, run_id=f"run{number}")
        parts.operations.stop_run(f"run{number}", "ada")
    assert parts.runs.read("goes-on").state == "running"
    with pytest.raises(NotFound):
        parts.runs.read("run0")
    assert parts.client.zcard(parts.keys.bulk_runs) <= RUNS_KEPT + 1
    assert [run.id for run in parts.runs.recent(2)] == [f"run{RUNS_KEPT + 4}", f"run{RUNS_KEPT + 3}"]
