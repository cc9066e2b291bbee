import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.system.stack import Stack, stack_fixture

pytestmark = pytest.mark.timeout(300)

stack = stack_fixture()


def lines(stack: Stack, process: str) -> list[dict[str, Any]]:
    """All that it has said; only Dramatiq's master, which does nothing but start others, has a format of its own."""
    whole, _, _ = (stack.folder / f"{process}.log").read_text().rpartition("\n")
    return [json.loads(text) for text in whole.splitlines() if "[dramatiq.MainProcess]" not in text]


def events(stack: Stack, process: str) -> list[str]:
    return [line["event"] for line in lines(stack, process)]


def work(stack: Stack, process: str) -> list[dict[str, Any]]:
    """Without what it says of Redis, which does not answer where the machine stands still."""
    return [line for line in lines(stack, process) if line["logger"] != "txn.state"]


#: So long that nothing is slow, and no call has to be made again, also where the machine stands still.
PATIENT = {"TXN_POSTING_TIMEOUT_MS": "60000", "TXN_DOUBT_WINDOW_MS": "60000"}


@pytest.mark.parametrize("stack", [PATIENT], ids=["patient"], indirect=True)
def test_every_line_is_json_and_none_is_about_a_message_that_went_well(stack: Stack) -> None:
    stack.start_worker()
    ready = "Worker process is ready for action."
    stack.until(lambda: events(stack, "worker0").count(ready) == stack.workers_each, "both processes have begun")
    before = work(stack, "worker0"), work(stack, "api")
    stack.submit_many(100)
    stack.until_quiet()
    assert (work(stack, "worker0"), work(stack, "api")) == before
    for process in ("worker0", "api"):
        for line in lines(stack, process):
            assert {"timestamp", "level", "logger", "pid", "event"} <= set(line)


def test_a_variable_without_the_prefix_is_said_once_by_every_process(tmp_path: Path) -> None:
    names = {"MAX_RETRIES": "s3cret", "REDIS_URL": "redis://s3cret", "POSTING_SERVICE_URL": "http://s3cret"}
    with Stack(tmp_path, names) as stack:
        stack.start_worker(processes=1)
        stack.until(lambda: "Worker process is ready for action." in events(stack, "worker0"), "it has begun")
        for process in ("worker0", "api"):
            said = [line for line in lines(stack, process) if "not read" in line["event"]]
            assert [line["level"] for line in said] == ["warning"]
            assert (
                said[0]["event"] == "MAX_RETRIES is set but not read: the setting is TXN_MAX_ATTEMPTS, which is not set"
            )
            assert "s3cret" not in (stack.folder / f"{process}.log").read_text()


@pytest.mark.parametrize("module", ["wsgi", "txn.worker"])
def test_another_name_for_a_setting_keeps_api_and_worker_from_starting(module: str) -> None:
    environment = {"TXN_POSTING_SERVICE_URL": "http://s3cret", "PATH": os.environ["PATH"]}
    command = [sys.executable, "-c", f"import {module}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        "txn: unknown setting TXN_POSTING_SERVICE_URL; did you mean TXN_POSTING_URL?\n",
    )


def test_redis_going_away_and_coming_back_is_said_once_by_every_process(stack: Stack) -> None:
    stack.start_worker(processes=1)
    stack.redis_server.kill()
    for process in ("worker0", "api"):
        stack.until(lambda name=process: "Redis is away" in events(stack, name), "it says so")  # type: ignore[misc]
    stack.redis_server.start()
    stack.until(lambda: "Redis is there" in events(stack, "worker0"), "the worker says that it is back")
    stack.until(lambda: "Redis is durable" in events(stack, "api"), "the API says that it is back")
    for process in ("worker0", "api"):
        said = [line for line in lines(stack, process) if line["event"].startswith("Redis is")]
        stalls = [line for line in said if "in time" in str(line.get("detail"))]  # the machine stands still, too
        assert ["away" in line["event"] for line in said] == [number % 2 == 0 for number in range(len(said))]
        assert len(said) <= 2 + 2 * len(stalls)
        assert not [event for event in events(stack, process) if "waits" in event]


def test_an_outage_of_the_posting_service_is_said_and_its_flood_of_failures_is_counted(stack: Stack) -> None:
    stack.start_worker(processes=1)
    stack.submit()
    stack.until_quiet()
    stack.mock.down()
    accepted = stack.submit_many(200)
    stack.until(lambda: "the posting service is away" in events(stack, "worker0"), "it says so")
    stack.mock.up()
    stack.until(lambda: "the posting service is answering" in events(stack, "worker0"), "it says that it is back")
    stack.until_quiet()
    stack.until(lambda: "more of: attempt failed" in events(stack, "worker0"), "it counts what it held back")
    found = [line for line in lines(stack, "worker0") if line["event"] == "attempt failed"]
    assert 0 < len(found) < 100, "of more than 200 failures"
    assert {line["outcome"] for line in found} <= {"outage", "unanswered", "uncertain"}
    assert all(line["transaction"] and line["ms"] >= 0 for line in found)
    stack.check_ledger(accepted)


def test_no_line_holds_a_payload(stack: Stack) -> None:
    stack.mock.faults(fail_before=0.3, reject=0.3, truncate=0.2, get_fail=0.2)
    stack.start_worker()
    body = {"amount": 1, "currency": "USD", "description": "s3cret text", "metadata": {"card": "4111-1111"}}
    for number in range(60):
        stack.submit(f"key-{number}", body)
    stack.until_quiet()
    logs = (stack.folder / "worker0.log").read_text() + (stack.folder / "api.log").read_text()
    assert "transaction failed" in logs
    assert "s3cret" not in logs
    assert "4111-1111" not in logs
