import json
import random
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis

from ops.drill.blows import BLOWS, OUTAGES, QUICK, Blow, BlowMissed, plan, strike
from ops.drill.relay import Relay
from ops.drill.report import Report, judge
from ops.load import Load
from ops.mock_posting.client import MockPosting
from ops.ports import free_port
from ops.redis_server import RedisServer

ROOT = Path(__file__).parents[2]


def test_the_plan_repeats_for_a_seed_and_differs_for_another() -> None:
    assert plan(1, 60, BLOWS) == plan(1, 60, BLOWS) != plan(2, 60, BLOWS)


@pytest.mark.parametrize("seed", range(20))
def test_every_blow_comes_once_within_the_load_and_none_during_another(seed: int) -> None:
    planned = plan(seed, 60, BLOWS)
    assert {blow.name for blow in planned} == set(BLOWS)
    ends = 0.0
    for blow in planned:
        assert blow.at >= ends
        ends = blow.at + blow.lasts
    assert ends <= 60


@pytest.mark.parametrize("name", OUTAGES)
def test_an_outage_in_which_the_breaker_stays_closed_ends_the_drill(
    name: str, server: RedisServer, mock: MockPosting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.drill.blows.RESTART_WITHIN_S", 0.1)
    with redis.Redis(port=server.port) as client:
        client.delete("txn:posting")
        stand: Any = SimpleNamespace(client=client, mock=mock)
        with pytest.raises(BlowMissed, match="the breaker did not open"):
            strike(stand, Blow(name, 1, 0), random.Random(1))
        client.hset("txn:posting", "breaker", "open")
        strike(stand, Blow(name, 1, 0), random.Random(1))
        client.delete("txn:posting")


@pytest.mark.parametrize("stayed", [0, 1])
def test_a_redis_that_moves_away_from_nobody_ends_the_drill(stayed: int, own_server: RedisServer) -> None:
    stand: Any = SimpleNamespace(fail_over=lambda: (own_server, stayed))
    if stayed:
        strike(stand, Blow("Redis moves", 1, 0), random.Random(1))
    else:
        with pytest.raises(BlowMissed, match="no connection was at the server"):
            strike(stand, Blow("Redis moves", 1, 0), random.Random(1))


def test_a_process_that_stays_at_the_demoted_redis_ends_the_drill(
    own_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.drill.blows.RESTART_WITHIN_S", 0.1)
    monkeypatch.setattr("ops.drill.stand.IDLE_S", 600)  # it does nothing while this test stands still
    stand: Any = SimpleNamespace(fail_over=lambda: (own_server, 1))
    with redis.Redis(port=own_server.port) as left_behind:
        left_behind.ping()
        with pytest.raises(BlowMissed, match="1 connections are still in use at the demoted Redis"):
            strike(stand, Blow("Redis moves", 1, 0), random.Random(1))


@pytest.mark.parametrize("moved", [{"connections": 0, "answers": 0}, {"connections": 9, "answers": 0}])
def test_a_posting_service_that_moves_away_from_nobody_ends_the_drill(
    moved: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.drill.blows.RESTART_WITHIN_S", 0.1)
    stand: Any = SimpleNamespace(mock=SimpleNamespace(move=lambda: None, moved=lambda: moved))
    with pytest.raises(BlowMissed, match="the server that the posting service has left"):
        strike(stand, Blow("posting service moves", 1, 0), random.Random(1))


def test_behind_a_name_that_moves_old_connections_stay_where_they_are(tmp_path: Path, valkey: RedisServer) -> None:
    other = RedisServer(free_port(), tmp_path).start()
    relay = Relay(free_port(), valkey.port).start()
    with redis.Redis(port=relay.port, single_connection_client=True) as old:
        before = old.info("server")["run_id"]
        assert relay.lead_to(other.port) == 1
        with redis.Redis(port=relay.port) as new:
            assert new.info("server")["run_id"] != before
        assert old.info("server")["run_id"] == before
    relay.stop()
    other.kill()


def test_a_lost_and_a_doubled_transaction_are_found() -> None:
    assert judge(["a", "b", "c"], Counter({"a": 1, "b": 2, "unknown": 1})) == (1, 1)
    assert judge(["a", "b"], Counter({"a": 1, "b": 1})) == (0, 0)


def test_an_answer_that_no_client_should_see_is_in_the_report(mock: MockPosting) -> None:
    load = Load(mock.url, rate=100, seconds=0.5, name="drill")  # it has no /api: every submit is answered with 404
    load.start()
    load.join()
    assert (load.planned, load.accepted) == (50, [])
    assert load.errors
    assert all(error.startswith("a submit was answered with 404") for error in load.errors)


@pytest.mark.parametrize("name", [name for name in BLOWS if "process" in name])
def test_a_blow_that_would_strike_nobody_ends_the_drill(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.drill.blows.RESTART_WITHIN_S", 0.1)
    nobody: Any = SimpleNamespace(processes=defaultdict(lambda: SimpleNamespace(children=list)))
    with pytest.raises(TimeoutError, match="no process of"):
        strike(nobody, Blow(name, 1, 0), random.Random(1))


@pytest.mark.timeout(300)
def test_a_quick_drill_keeps_every_promise_and_leaves_a_report(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ops.drill", "--quick", "--rate", "20", "--seconds", "22", "--seed", "1"]
    command += ["--folder", str(tmp_path)]
    drill = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert drill.returncode == 0, drill.stdout + drill.stderr
    assert "every promise kept" in drill.stdout
    [path] = tmp_path.glob("*/report.json")
    report = json.loads(path.read_text())
    assert (report["planned"], report["accepted"], report["lost"], report["doubled"]) == (440, 440, 0, 0)
    assert report["audit"]["counts"]["once"] == 440
    assert set(report["recovery_s"]) == set(QUICK)


@pytest.mark.parametrize(
    "changes",
    [
        {"accepted": 319},
        {"submit_errors": ["RuntimeError: a submit was answered with 500"]},
        {"recovery_s": {}},
        {"lost": 1},
        {"doubled": 1},
        {"failed": 1},
        {"audit_exit_code": 2},
    ],
)
def test_a_drill_passes_only_if_all_was_kept_and_all_was_done(changes: dict[str, Any]) -> None:
    fine = Report(
        **dict.fromkeys(
            ("seed", "lost", "doubled", "failed", "refused_with_503", "unanswered_and_repeated", "rescued"), 0
        ),
        **dict.fromkeys(("late_settles_refused", "possible_doubles", "processes_restarted", "audit_exit_code"), 0),
        **dict.fromkeys(("submit_p50_ms", "submit_p99_ms", "submit_max_ms", "quiet_after_s"), 1.0),
        planned=320,
        accepted=320,
        completed=320,
        submit_errors=[],
        recovery_s={"Redis killed with -9": 1.0},
        blows=[{"name": "Redis killed with -9", "at": 1.0, "lasts": 2.0}],
        audit={},
    )
    assert fine.passed
    assert "every promise kept" in fine.lines()
    assert not replace(fine, **changes).passed
