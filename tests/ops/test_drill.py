import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ops.drill.blows import BLOWS, QUICK, plan
from ops.drill.report import Report, judge

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


def test_a_lost_and_a_doubled_transaction_are_found() -> None:
    assert judge(["a", "b", "c"], Counter({"a": 1, "b": 2, "unknown": 1})) == (1, 1)
    assert judge(["a", "b"], Counter({"a": 1, "b": 1})) == (0, 0)


@pytest.mark.timeout(180)
def test_a_quick_drill_keeps_every_promise_and_leaves_a_report(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ops.drill", "--quick", "--rate", "40", "--seconds", "8", "--seed", "1"]
    command += ["--folder", str(tmp_path)]
    drill = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170, check=False)
    assert drill.returncode == 0, drill.stdout + drill.stderr
    assert "every promise kept" in drill.stdout
    [path] = tmp_path.glob("*/report.json")
    report = json.loads(path.read_text())
    assert (report["planned"], report["accepted"], report["lost"], report["doubled"]) == (320, 320, 0, 0)
    assert report["audit"]["counts"]["once"] == 320
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
        **dict.fromkeys(("late_settles_refused", "processes_restarted", "audit_exit_code"), 0),
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
