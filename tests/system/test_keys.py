import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from ops.ports import free_port
from tests.system.stack import ROOT, Stack
from txn.settings import Settings

BODY = {"amount": 1, "currency": "USD", "description": "Payment"}


class Api(subprocess.Popen[str]):
    """gunicorn as it is told, without a Redis behind it."""

    def __init__(self, *bind: str, **settings: str) -> None:
        options = [option for address in bind for option in ("-b", address)]
        environment = {"PATH": "/usr/bin:/bin", "WEB_CONCURRENCY": "1", "TXN_REDIS_URL": "redis://127.0.0.1:1/0"}
        super().__init__(
            [sys.executable, "-m", "gunicorn", "-c", "python:txn.gunicorn_conf", *options, "txn.wsgi:app"],
            cwd=ROOT,
            env=environment | settings,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def __exit__(self, *exc_info: object) -> None:
        self.kill()
        super().__exit__(*exc_info)  # type: ignore[arg-type]

    def until(self, text: str) -> str:
        assert self.stdout is not None
        seen = ""
        for line in self.stdout:
            seen += line
            if text in line:
                return seen
        raise AssertionError(f"ended without {text!r}\n{seen}")


@pytest.mark.parametrize("bind", [["0.0.0.0:{}"], ["[::]:{}"], ["127.0.0.1:{}", "0.0.0.0:{}"], [":{}"]])
def test_an_api_without_keys_does_not_listen_for_other_machines(bind: list[str]) -> None:
    with Api(*(address.format(free_port()) for address in bind)) as api:
        seen, _ = api.communicate(timeout=60)
    assert api.returncode == 1
    assert "TXN_API_KEYS_FILE" in seen
    assert "TXN_ALLOW_OPEN=1" in seen
    assert "Listening" not in seen
    assert "Traceback" not in seen


@pytest.mark.parametrize(
    ("bind", "settings"),
    [
        ("127.0.0.1:{}", {}),
        ("localhost:{}", {}),
        ("unix:/tmp/txn-test-{}.sock", {}),
        ("0.0.0.0:{}", {"TXN_ALLOW_OPEN": "1"}),
        ("0.0.0.0:{}", {"TXN_API_KEYS": f"shop:submit:{'0' * 64}:2026-11-28"}),
    ],
)
def test_it_listens_for_this_machine_or_with_keys_or_where_it_is_allowed(bind: str, settings: dict[str, str]) -> None:
    with Api(bind.format(free_port()), **settings) as api:
        api.until("Booting worker")
        api.send_signal(signal.SIGTERM)
        api.communicate(timeout=60)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"TXN_API_KEYS_FILE": "/nowhere/keys"}, "txn keys create"),
        ({"TXN_API_KEYS": "shop:submit:secret-that-nobody-may-see:"}, "TXN_API_KEYS line 1"),
        ({"TXN_API_KEYS": "x", "TXN_API_KEYS_FILE": "y"}, "are both set"),
    ],
)
def test_keys_that_cannot_be_read_are_said_in_a_line(settings: dict[str, str], said: str) -> None:
    with Api("127.0.0.1:0", **settings) as api:
        seen, _ = api.communicate(timeout=60)
    assert api.returncode != 0
    assert said in seen
    assert "secret-that" not in seen
    assert "Traceback" not in seen


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    (tmp_path / "keys").touch()
    with Stack(tmp_path, {"TXN_API_KEYS_FILE": str(tmp_path / "keys")}) as found:
        yield found


def test_keys_come_and_go_while_the_api_runs(stack: Stack) -> None:
    def answer(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.post(f"{stack.url}/api/transactions", json=BODY, headers=headers, timeout=60).status_code

    old, new = (stack.command("keys", "create", "shop").stdout.strip() for _ in range(2))
    stack.until(lambda: (answer(old), answer(new)) == (202, 202), "both keys are taken")
    listed = stack.command("keys", "list", "--json").stdout
    first = listed.partition('"id": "')[2].partition('"')[0]
    assert stack.command("keys", "revoke", first, "--yes").returncode == 0
    stack.until(lambda: (answer(old), answer(new)) == (401, 202), "the revoked one is not")
    stack.settings["TXN_API_KEY"] = new
    arguments = ("submit", "1", "USD", "Payment", "--url", stack.url)
    assert stack.command(*arguments).returncode == 0
    stack.settings["TXN_API_KEY"] = old
    refused = stack.command(*arguments)
    assert (refused.returncode, "TXN_API_KEY" in refused.stderr) == (2, True)
    log = stack.processes["api"].log.read_text()
    assert "keys were read again" in log
    assert old not in log
    assert new not in log
    assert Settings(api_key=new).__repr__().find(new) == -1
