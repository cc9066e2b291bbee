"""One table for people, one file for machines, and ratios of two files."""

import datetime as dt
import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.scenarios import Figures

RESULTS = Path(__file__).with_name("results")

#: scenario (its first word) -> figure -> (what is required, what would be better still); "<" or ">" says the direction.
TARGETS = {
    "accept": {"requests_per_s": ("> 4000", "6500")},
    "batch": {"times_single": ("> 4", "")},
    "deliver 0 ms": {"times_plain": ("> 3.5", "")},
    "whole": {
        "accepted_per_s": ("> 990", ""),
        "completed_per_s": ("> 980", ""),
        "submit_p99_ms": ("< 100", "60"),
        "cpu_us": ("< 1000", "800"),
    },
    "keys": {"accept_per_s_ratio": ("> 0.95", ""), "whole_completed_per_s_ratio": ("> 0.95", "")},
    "tenth": {"tenth_completed_per_s": ("> 243", "")},
    "away": {
        "requests_per_s": ("< 2", ""),
        "workers_core_pct": ("< 5", ""),
        "first_completed_s": ("< 2", ""),
        "drained_to_normal": ("> 0.8", ""),
    },
    "limits": {
        "deliver_per_s_lost_pct": ("< 3", ""),
        "deliver_cpu_us_lost_pct": ("< 3", ""),
        "whole_cpu_us_lost_pct": ("< 3", ""),
    },
    "outages": {"failed": ("< 1", ""), "most_posts_in_flight": ("< 1025", "")},
    "idle": {
        "end_to_end_p50_ms": ("< 14", "6"),
        "end_to_end_p99_ms": ("< 24", "12"),
        "worker_process_core_pct": ("< 2", ""),
        "writes_per_worker_process_s": ("< 3", ""),
    },
    "memory": {"bytes_per_completed": ("< 800", "500"), "bytes_per_waiting": ("< 1200", "900")},
    "backlog": {"deliver_last_to_first": ("> 0.9", "1.0")},
}


def machine() -> dict[str, Any]:
    """What the figures belong to."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()) if platform.system() == "Linux" else None
    commit = subprocess.run(
        ["/usr/bin/env", "git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "cpu": cpu[1] if cpu else platform.processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "commit": commit.stdout.strip(),
    }


def save(results: Mapping[str, Figures]) -> Path:
    """Write bench/results/<date>.json; a second run of the same minute replaces the first."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H%MZ}.json"
    path.write_text(json.dumps({"machine": machine(), "scenarios": results}, indent=1) + "\n")
    return path


def show(results: Mapping[str, Figures], console: Console) -> None:
    """Every figure, beside what is required of it."""
    table = Table("scenario", "figure", "measured", "required", "better still", "", title=str(machine()))
    for scenario, figures in results.items():
        targets = next((found for name, found in TARGETS.items() if scenario.startswith(name)), {})
        for number, (name, value) in enumerate(figures.items()):
            needed, better = targets.get(name, ("", ""))
            table.add_row("" if number else scenario, name, str(value), needed, better, _verdict(value, needed))
        table.add_section()
    console.print(table)


def compare(before: Path, after: Path, console: Console) -> None:
    """What has changed, as ratios."""
    old, new = (json.loads(path.read_text())["scenarios"] for path in (before, after))
    table = Table("scenario", "figure", before.stem, after.stem, "ratio")
    for scenario in old.keys() & new.keys():
        for name, value in new[scenario].items():
            was = old[scenario].get(name)
            if isinstance(value, (int, float)) and isinstance(was, (int, float)):
                table.add_row(scenario, name, str(was), str(value), f"{value / was:.2f}" if was else "-")
    console.print(table)


def _verdict(value: Any, needed: str) -> str:
    if not needed:
        return ""
    sign, limit = needed.split()
    met = value > float(limit) if sign == ">" else value < float(limit)
    return "[green]met[/]" if met else "[red]missed[/]"
