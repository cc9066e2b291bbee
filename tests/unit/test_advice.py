import re
from pathlib import Path

import pytest
import yaml

from ops import stand
from txn import advice
from txn.doctor import clocks, redis, workers
from txn.operate import bulk_runner as bulk
from txn.readers import dead_letters, details, health, statistics
from txn.settings import Settings
from txn.store import integrity

ROOT = Path(__file__).parents[2]
LUA = ROOT / "txn/store/lua"
TEXTS = [
    ROOT / "README.md",
    *(ROOT / "docs").rglob("*.md"),
    *(path for kind in ("py", "html") for path in (ROOT / "txn").rglob(f"*.{kind}")),
    *(ROOT / "ops").rglob("*.y*ml"),
]


def read(path: str) -> str:
    """In one line."""
    return " ".join((ROOT / path).read_text().split())


def test_the_docs_and_make_run_start_as_many_threads_as_txn_advises() -> None:
    assert advice.START_WORKERS in read("docs/use/run.md")
    assert (stand.WORKERS, stand.THREADS) == (advice.PROCESSES, advice.THREADS)
    said = f"{advice.THREADS} threads, which hand {Settings().in_flight} deliveries at a time"
    assert f"Two worker processes with {said}" in read("docs/how/performance.md")


def test_no_text_advises_another_number_of_threads() -> None:
    commands = {
        command: path.name
        for path in TEXTS
        for command in re.findall(r"dramatiq txn\.worker(?: --\w+ \d+)+", path.read_text())
    }
    assert set(commands) == {advice.START_WORKERS}, commands
    spelled = [path.name for path in TEXTS if path.suffix in (".py", ".html") and "--threads 1" in path.read_text()]
    assert spelled == []


def constant(file: str, name: str) -> int:
    found = re.search(rf"^local {name} = (\d+)$", (LUA / file).read_text(), re.MULTILINE)
    assert found, f"{name} in {file}"
    return int(found[1])


def test_what_pages_say_of_the_scripts_is_what_the_scripts_do() -> None:
    assert constant("settle.lua", "HISTORY_LINES") == details.HISTORY_LINES
    assert f"The timeline holds the last {details.HISTORY_LINES} lines" in read("docs/use/admin.md")
    actions = f"bout the last {constant('prelude.lua', 'JOURNAL_ENTRIES'):,} actions"
    assert actions in read("docs/use/admin.md")
    assert actions in read("txn/admin/templates/journal.html")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("docs/use/admin.md", f"{bulk.CHUNK} letters a call, at most {bulk.PER_SECOND:,} a second"),
        ("docs/use/admin.md", f"While {bulk.MAX_QUEUED} messages or more wait"),
        ("docs/use/admin.md", f"{bulk.TRICKLE} letters a tick in all, {bulk.TRICKLE / bulk.BUSY_S:.0f} a second"),
        (
            "docs/use/doctor.md",
            f"over {statistics.MAX_WAITING_MS // 1000} s, `!` over {workers._LATE_MS // 1000} s late",
        ),
        ("docs/use/admin.md", f"within the newest {dead_letters.MAX_LOOKED_AT:,} dead letters"),
        ("docs/use/doctor.md", f"more than {redis.FULL:.0%}".replace("%", " %")),
        ("docs/use/doctor.md", f"a write over {redis.SLOW_WRITE_MS:.0f} ms"),
        ("docs/use/doctor.md", f"more than {clocks.MAX_SKEW_MS / 1000:.0f} s apart"),
        ("docs/how/queue.md", f"{integrity.STEP_KEYS * 1000 // integrity.PACE_MS} keys a second"),
        ("docs/how/delivery.md", f"≥ doubt window ({Settings().doubt_window_ms // 1000} s)"),
        ("docs/how/delivery.md", f"the margin ({Settings().margin_ms // 1000} s)"),
        ("README.md", f"doubt window` ({Settings().doubt_window_ms // 1000} s by default)"),
    ],
)
def test_the_docs_name_the_numbers_of_the_code(file: str, said: str) -> None:
    assert said in read(file)


def test_the_alert_for_what_waits_too_long_is_the_page_that_says_so() -> None:
    rules = yaml.safe_load((ROOT / "ops/prometheus/alerts.yml").read_text())["groups"][0]["rules"]
    [behind] = [rule["expr"] for rule in rules if rule.get("alert") == "TxnFallsBehind"]
    assert f"txn_most_overdue_seconds > {statistics.MAX_WAITING_MS // 1000}\n" in behind
    [fails] = [rule["expr"] for rule in rules if rule.get("alert") == "TxnAttemptsFail"]
    assert f"> {health.HIGH_ERROR_RATE}\n" in fails


def test_no_page_holds_a_threshold_of_its_own() -> None:
    for path in (ROOT / "txn/admin/templates").glob("*.html"):
        assert not re.search(r"[<>]=? ?\d{2,}|[<>]=? ?0\.\d", path.read_text().replace("&gt;", "")), path.name
