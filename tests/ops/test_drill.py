import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from ops.drill.blows import BLOWS, plan
from ops.drill.report import judge

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
def test_a_quick_drill_keeps_every_promise_and_leaves_a_report() -> None:
    command = [sys.executable, "-m", "ops.drill", "--quick", "--rate", "40", "--seconds", "8", "--seed", "1"]
    drill = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170, check=False)
    assert drill.returncode == 0, drill.stdout + drill.stderr
    assert "every promise kept" in drill.stdout
    [folder] = [line.rsplit(" ", 1)[1] for line in drill.stdout.splitlines() if "logs in" in line]
    report = json.loads((ROOT / folder / "report.json").read_text())
    assert (report["accepted"], report["lost"], report["doubled"]) == (320, 0, 0)
    assert report["audit"] != {}
