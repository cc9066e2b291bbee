import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from bench import report


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def said(console: Console) -> str:
    found = console.file
    assert isinstance(found, io.StringIO)
    return found.getvalue()


def test_a_figure_stands_beside_what_is_required_of_it(console: Console) -> None:
    report.show({"whole 0 ms": {"submit_p99_ms": 120.0, "accepted_per_s": 1000.0, "api_cpu_us": 5}}, console)
    table = said(console).splitlines()
    lines = {name: line for line in table for name in ("p99", "accepted", "api_cpu") if name in line}
    assert "missed" in lines["p99"]
    assert "met" in lines["accepted"]
    assert "met" not in lines["api_cpu"]


def test_what_is_saved_names_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    saved = json.loads(report.save({"accept": {"requests_per_s": 1.0}}).read_text())
    assert saved["scenarios"] == {"accept": {"requests_per_s": 1.0}}
    assert saved["machine"]["cores"] >= 1


def test_two_results_are_compared_as_ratios_where_both_have_the_figure(tmp_path: Path, console: Console) -> None:
    for name, figures in (("a", {"rate": 100.0, "gone": 1}), ("b", {"rate": 150.0, "new": 2, "ledger": "exact"})):
        (tmp_path / f"{name}.json").write_text(json.dumps({"scenarios": {"deliver": figures}}))
    report.compare(tmp_path / "a.json", tmp_path / "b.json", console)
    assert "1.50" in said(console)
    assert "gone" not in said(console)
    assert "ledger" not in said(console)
