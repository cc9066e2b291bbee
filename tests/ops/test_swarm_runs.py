"""Real runs, in their own environment: `make test-long ARGS=tests/ops/test_swarm_runs.py`."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from ops.drill.stand import Stand
from ops.ports import free_port
from ops.waiting import until
from tests.ops.foreground import ROOT, Foreground
from tests.posting.raw_server import RawServer, answer, saying
from tests.system.stack import Stack

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

SHORT = {"TXN_SWARM_RATE": "50", "TXN_SWARM_SECONDS": "10"}
#: A busy machine may be slow; that is not what these tests are about, so only the verdict on the ledger is looked at.
LEDGER = re.compile(r"LOST|audit|unexpected:|unfinished|no code|NOT CHECKED|stopped before")


@pytest.fixture(scope="module", autouse=True)
def environment() -> None:
    subprocess.run(["make", ".venv-swarm/swarm.stamp", f"PYTHON={sys.executable}"], cwd=ROOT, check=True)


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with Stand(tmp_path_factory.mktemp("stand")) as found:
        yield found


def swarm(*arguments: str, **settings: str) -> Foreground:
    return Foreground(["-m", "ops.swarm", *arguments], ROOT, **SHORT | settings)


def wholly(stand: Stand) -> dict[str, str]:
    told = {name: value for name, value in stand.environment().items() if name.startswith("TXN_")}
    return told | {"TXN_SWARM_HOST": stand.url}


def answers(page: str) -> bool:
    with contextlib.suppress(requests.RequestException):
        return requests.get(page, timeout=5).ok
    return False


def ended(running: Foreground) -> list[str]:
    """The reasons that concern the ledger."""
    running.until("VERDICT")
    running.exit_code()
    return [line for line in running.seen if line.startswith("  - ") and LEDGER.search(line)]


def number(running: Foreground, pattern: str) -> int:
    [found] = re.findall(pattern, "\n".join(running.seen))
    return int(found.replace(",", ""))


def test_a_short_run_keeps_every_promise_and_leaves_nothing_behind() -> None:
    with swarm() as running:
        running.until("submits are made")
        assert ended(running) == []
        acknowledged = number(running, r"acknowledged +([\d,]+) new")
        assert acknowledged > 100
        assert number(running, r"one by one ([\d,]+) completed") == acknowledged
        assert number(running, r"audit +([\d,]+) accepted") == acknowledged
        assert running.left() == []


def test_a_posting_service_that_writes_later_than_the_doubt_window_is_found_out() -> None:
    with swarm("--faults", "hang_write=0.1,hang_ms=7000") as running:
        running.until("submits are made")
        [reason] = ended(running)
        assert "doubled" in reason
        assert running.popen.returncode == 1


def test_an_api_that_is_away_is_an_unexpected_failure() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with swarm(TXN_SWARM_HOST=url, TXN_SWARM_LEDGER="skip") as running:
        running.until("submits are made")
        assert any(f"POST submit: no answer from {url}: ConnectionError" in line for line in ended(running))
        assert running.popen.returncode == 1


def test_an_answer_that_is_not_final_counts_as_it_is() -> None:
    saturated = answer(503, b'{"code": "overloaded", "detail": "too many wait"}')
    server = RawServer(*[saying(saturated)] * 10_000)
    url = f"http://127.0.0.1:{server.port}"
    with swarm(TXN_SWARM_HOST=url, TXN_SWARM_LEDGER="skip") as running:
        running.until("submits are made")
        assert any("POST submit: not possible now (503): too many wait" in line for line in ended(running))
        assert running.popen.returncode == 1
    server.stop()


def test_an_api_with_keys_is_used_with_the_one_that_is_given(tmp_path: Path) -> None:
    (tmp_path / "keys").touch()
    with Stack(tmp_path, {"TXN_API_KEYS_FILE": str(tmp_path / "keys")}) as stack:
        key = stack.command("keys", "create", "swarm").stdout.strip()
        stack.start_worker()
        told = {name: value for name, value in stack.environment().items() if name.startswith("TXN_")}
        with swarm(**told, TXN_SWARM_HOST=stack.url, TXN_API_KEY=key) as running:
            running.until("submits are made")
            assert ended(running) == []
            assert number(running, r"one by one ([\d,]+) completed") > 100
        assert key not in "\n".join(running.seen)


def test_rows_that_vanish_are_found_out(stand: Stand) -> None:
    before = stand.mock.stats()["posts"]
    with swarm(**wholly(stand)) as running:
        until(lambda: stand.mock.stats()["posts"] > before + 20, "some are posted")
        requests.post(f"{stand.mock.url}/cleanup", timeout=10).raise_for_status()
        running.until("submits are made")
        [reason] = ended(running)
        assert "missing" in reason
        assert running.popen.returncode == 1


def test_what_others_have_lost_before_is_not_this_runs_loss(stand: Stand) -> None:
    assert requests.get(f"{stand.url}/api/health", timeout=10).json()["completed"] > 20, "the test before has left some"
    requests.post(f"{stand.mock.url}/cleanup", timeout=10).raise_for_status()
    with swarm(**wholly(stand)) as running:
        running.until("submits are made")
        assert ended(running) == []
        assert number(running, r"audit +([\d,]+) accepted") == number(running, r"acknowledged +([\d,]+) new")


def test_without_both_urls_the_ledger_is_said_not_to_be_checked(stand: Stand) -> None:
    with swarm("--processes", "2", TXN_SWARM_HOST=stand.url, TXN_REDIS_URL=stand.redis_server.url) as running:
        running.until("submits are made")
        [reason] = ended(running)
        assert "THE LEDGER WAS NOT CHECKED: set TXN_POSTING_URL" in reason
        assert running.popen.returncode in (1, 2)
        acknowledged = number(running, r"acknowledged +([\d,]+) new")
        assert acknowledged > 100
        assert number(running, r"one by one ([\d,]+) completed") == acknowledged


def test_ctrl_c_ends_with_a_verdict_on_what_was_sent(stand: Stand) -> None:
    with swarm(TXN_SWARM_SECONDS="600", **{**wholly(stand), "TXN_SWARM_LEDGER": "skip"}) as running:
        before = stand.mock.stats()["posts"]
        until(lambda: stand.mock.stats()["posts"] > before + 20, "some are posted")
        os.killpg(running.popen.pid, signal.SIGINT)
        [reason] = ended(running)
        assert "stopped before its end" in reason
        assert running.popen.returncode in (1, 2)


def test_the_web_page_starts_a_run_that_ends_with_the_same_verdict(stand: Stand) -> None:
    page = f"http://127.0.0.1:{free_port()}"
    with swarm("--web", "--web-port", page.rpartition(":")[2], **wholly(stand), TXN_SWARM_LEDGER="skip") as running:
        until(lambda: answers(page), "the page is there")
        requests.post(f"{page}/swarm", data={"rate": "20", "seconds": "10"}, timeout=30).raise_for_status()
        running.until("submits are made")
        running.until("VERDICT")
        assert any("20/s asked for" in line for line in running.seen)


def test_a_page_that_was_never_used_ends_without_a_verdict() -> None:
    page = f"http://127.0.0.1:{free_port()}"
    with swarm("--web", "--web-port", page.rpartition(":")[2], TXN_SWARM_HOST=page) as running:
        until(lambda: answers(page), "the page is there")
        [locust] = running.left()
        locust.terminate()
        assert running.exit_code() == 0
        assert not running.said("what became of them")
