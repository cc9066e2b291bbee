"""What Prometheus is given, and what is made of it: the rules, their tests, and the dashboard's expressions."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from falcon.testing import TestClient

from ops.redis_server import RedisServer
from tests.parts import Clock, Parts
from txn.addresses import Networks
from txn.api.app import create_app
from txn.api.intake import Intake, Rates
from txn.settings import Settings
from txn.store.durability import DurabilityMonitor
from txn.store.intake import IntakeMonitor

ROOT = Path(__file__).parents[2]
RULES, DASHBOARD, DOCS = ROOT / "ops/prometheus", ROOT / "ops/grafana/txn.json", ROOT / "docs/use/metrics.md"

promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")


def run(*arguments: str, stdin: str = "") -> None:
    done = subprocess.run(
        ["promtool", *arguments], cwd=RULES, input=stdin, text=True, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def alerts() -> dict[str, dict[str, Any]]:
    [group] = yaml.safe_load((RULES / "alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule for rule in group["rules"] if "alert" in rule}


def expressions() -> list[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


@pytest.fixture
def exported(valkey: RedisServer, settings: Settings, clock: Clock) -> Iterator[str]:
    """/metrics with something in every family."""
    with Parts(valkey.url, settings, clock) as parts:
        monitor = DurabilityMonitor(allow_lossy=False)
        monitor.check(parts.client)
        for what in ("submit", "get:404", "post:none"):
            parts.timings.note(what, 0.02)
        parts.timings.flush()
        intake = Intake(IntakeMonitor(parts.database, settings), Rates(0), Networks(()))
        intake.monitor.beat()
        api = TestClient(create_app(parts.store, parts.statistics, monitor, parts.timings, intake=intake))
        yield api.simulate_get("/metrics", remote_addr="127.0.0.1").text


def samples(text: str) -> set[str]:
    return {re.split(r"[{ ]", line)[0] for line in text.splitlines() if not line.startswith("#")}


def named(text: str) -> set[str]:
    return set(re.findall(r"\btxn_[a-z_]+\b", text))


@promtool
def test_the_exposition_is_clean(exported: str) -> None:
    run("check", "metrics", stdin=exported)


@promtool
def test_the_rules_are_clean_and_each_alert_fires_when_it_must_and_only_then() -> None:
    run("check", "rules", "--lint=all", "--lint-fatal", "alerts.yml")
    run("check", "config", "prometheus.yml")
    run("test", "rules", "alerts_test.yml")


@promtool
def test_every_expression_of_the_dashboard_can_be_evaluated(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m")}
        for number, expression in enumerate(expressions())
    ]
    path = tmp_path / "dashboard.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    run("check", "rules", str(path))


def test_rules_dashboard_and_docs_name_only_what_is_exported(exported: str) -> None:
    there = samples(exported)
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in there}
    for text in (" ".join(rule["expr"] for rule in alerts().values()), " ".join(expressions())):
        assert named(text)
        assert named(text) <= there
    assert named(DOCS.read_text()) <= there | families
    assert families <= named(DOCS.read_text()), "every metric is in the docs"


def test_every_alert_says_what_to_do_and_is_tested() -> None:
    headings = {line.removeprefix("### ").lower() for line in DOCS.read_text().splitlines() if line.startswith("### ")}
    tested = {
        (case["alertname"], bool(case["exp_alerts"]))
        for test in yaml.safe_load((RULES / "alerts_test.yml").read_text())["tests"]
        for case in test["alert_rule_test"]
    }
    for name, rule in alerts().items():
        assert rule["labels"]["severity"] in ("page", "ticket")
        base, _, path = rule["annotations"]["runbook_url"].partition("docs/")
        assert base == "{{ with $externalLabels.runbooks }}{{ . }}/{{ end }}"
        page, _, anchor = f"docs/{path}".partition("#")
        assert (ROOT / page, anchor) == (DOCS, name.lower())
        assert anchor in headings
        assert {(name, True), (name, False)} <= tested
