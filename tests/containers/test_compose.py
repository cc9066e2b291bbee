import re
from collections.abc import Iterator

import pytest
import requests

from tests.containers.compose import PATIENCE_S, Compose, command

pytestmark = [pytest.mark.containers, pytest.mark.timeout(300)]

#: Service → where it may write.
SERVICES = {"redis": "/data", "posting": "/data", "api": "/tmp", "worker": "/tmp"}


@pytest.fixture(scope="module")
def compose() -> Iterator[Compose]:
    found = Compose(command())
    try:
        found.build()
        found.up()
        yield found
    finally:
        found.run("down", "--volumes", "--timeout", "5")


def test_the_curl_of_readme_completes(compose: Compose) -> None:
    transaction_id = compose.submit()
    compose.until(lambda: compose.status(transaction_id) == "completed", "it is completed")


def test_redis_keeps_what_it_acknowledges(compose: Compose) -> None:
    compose.until(lambda: compose.health().get("durability") == "durable", "it is durable")


def test_the_log_has_a_name_and_a_password_that_open_the_admin_site(compose: Compose) -> None:
    [(name, password)] = re.findall(r"as (\w+), password (\S+)", compose("logs", "api"))
    with requests.Session() as browser:
        page = browser.get(f"{compose.url}/admin", timeout=PATIENCE_S)
        [token] = re.findall(r'name="csrf" value="([^"]+)"', page.text)
        form = {"csrf": token, "name": name, "password": password}
        answer = browser.post(
            f"{compose.url}/admin/login", data=form, headers={"Origin": compose.url}, timeout=PATIENCE_S
        )
        assert answer.status_code == 200, answer.text
        assert "posting service" in answer.text


@pytest.mark.parametrize("service", SERVICES)
def test_nobody_is_root_and_nothing_can_be_changed_where_nothing_must_be(compose: Compose, service: str) -> None:
    assert compose("exec", "-T", service, "id", "-u").strip() != "0"
    for folder in ("/", "/app" if service != "redis" else "/usr", "/etc", "/root"):
        assert compose.run("exec", "-T", service, "touch", f"{folder}/it").returncode != 0, folder
    compose("exec", "-T", service, "touch", f"{SERVICES[service]}/it")
    compose("exec", "-T", service, "rm", f"{SERVICES[service]}/it")


@pytest.mark.parametrize("line", ["status", "doctor", "audit", "submit 1.00 USD Payment --key compose-1 --wait"])
def test_every_command_runs_in_the_container_of_the_api(compose: Compose, line: str) -> None:
    compose("exec", "-T", "api", "python", "-m", "txn", *line.split())


def test_a_worker_process_that_is_killed_comes_back(compose: Compose) -> None:
    kill = (
        "import os, signal; [os.kill(int(p), signal.SIGKILL) for p in os.listdir('/proc') if p.isdecimal() and p != '1'"
    )
    kill += " and int(p) != os.getpid()]"
    before = compose("logs", "worker").count("is booting up")
    compose.run("exec", "-T", "worker", "python", "-c", kill)
    compose.until(lambda: compose("logs", "worker").count("is booting up") > before, "it boots again")
    transaction_id = compose.submit("After the kill")
    compose.until(lambda: compose.status(transaction_id) == "completed", "it is completed")


def test_four_workers_are_four(compose: Compose) -> None:
    compose.up("--scale", "worker=4")
    compose.until(lambda: compose.health().get("workers", 0) >= 4, "the API knows four")


def test_after_down_and_up_everything_is_still_there_and_the_audit_is_clean(compose: Compose) -> None:
    transaction_id = compose.submit()
    compose.until(lambda: compose.status(transaction_id) == "completed", "it is completed")
    compose("down")
    compose.up()
    compose.until(lambda: compose.status(transaction_id) == "completed", "it is still completed")
    compose("exec", "-T", "api", "python", "-m", "txn", "audit")


def test_who_is_told_to_stop_does_so_by_itself(compose: Compose) -> None:
    compose("stop", "worker", "api")
    said = compose("logs", "worker")
    assert "Shutting down" in said or "shutting down" in said
    assert "Killing" not in said
    states = compose("ps")
    assert "Exit 137" not in states
    assert "(137)" not in states
