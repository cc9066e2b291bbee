import contextlib
import os
import pty
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.admin.site import HASH, LINES, PASSWORD
from tests.ops.foreground import ROOT, make_run, own_ports
from tests.system.stack import Stack
from txn import password_hash

pytestmark = pytest.mark.timeout(300)


def csrf(page: str) -> str:
    return page.split('name="csrf" value="')[1].split('"', maxsplit=1)[0]


def logged_in(url: str, name: str = "ada", password: str = PASSWORD) -> requests.Session:
    session = requests.Session()
    page = session.get(f"{url}/admin/login", timeout=60).text
    form = {"csrf": csrf(page), "name": name, "password": password}
    answer = session.post(f"{url}/admin/login", data=form, timeout=60, allow_redirects=False)
    assert answer.status_code == 303, answer.text
    return session


def hash_password(**given: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "txn", "hash-password"]
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False, timeout=30, **given)


def test_without_users_there_is_no_admin_site(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack:
        for path in ("/admin", "/admin/login", "/admin/static/admin.css"):
            assert requests.get(f"{stack.url}{path}", timeout=60).status_code == 404


def test_a_user_line_that_is_wrong_stops_the_api_with_a_sentence_and_without_the_hash() -> None:
    environment = os.environ | {"TXN_ADMIN_USERS": f"ada:operate:{HASH}\neve:boss:{HASH}"}
    command = [sys.executable, "-c", "import wsgi"]
    ended = subprocess.run(command, cwd=ROOT, env=environment, text=True, capture_output=True, check=False, timeout=30)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("txn: TXN_ADMIN_USERS line 2: the role must be view or operate")
    assert HASH not in ended.stderr


def test_worker_processes_load_neither_the_api_nor_the_admin_site() -> None:
    code = (
        "import sys, txn.worker\n"
        "not_ours = 'falcon gunicorn jinja2 argon2 itsdangerous prometheus_client requests typer'.split()\n"
        "print([name for name in sys.modules if name.split('.')[0] in not_ours or name.startswith('txn.admin')])"
    )
    environment = os.environ | {"TXN_ADMIN_USERS": LINES}
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, text=True, capture_output=True, check=True, timeout=30
    )
    assert ended.stdout == "[]\n"


def test_every_api_process_knows_the_session_and_the_pages_show_the_real_workers(tmp_path: Path) -> None:
    with Stack(tmp_path, {"TXN_ADMIN_USERS": LINES, "TXN_ANSWER_IS_FINAL": "1"}) as stack:
        worker = stack.start_worker()
        stack.mock.faults(fail_before=1.0)
        transaction = stack.submit()
        stack.until(
            lambda: b"not_written" in (stack.client.hget(f"txn:t:{transaction}", "history") or b""), "it failed"
        )
        stack.mock.faults()
        stack.until_quiet()
        session = logged_in(stack.url)
        for _ in range(10):  # two processes answer
            assert session.get(f"{stack.url}/admin", timeout=60, allow_redirects=False).status_code == 200
        names = {f":{child.pid}" for child in worker.children()}
        floor = session.get(f"{stack.url}/admin/queues", timeout=60).text
        assert all(name in floor for name in names)
        assert '<td data-label="At a time" class="n">512</td>' in floor
        timeline = session.get(f"{stack.url}/admin/transactions/{transaction}", timeout=60).text
        assert any(name in timeline for name in names)


def median_of_submits(stack: Stack, name: str) -> float:
    """In seconds, of 30."""
    spent = []
    for number in range(30):
        began = time.monotonic()
        stack.submit(f"{name}-{number}")
        spent.append(time.monotonic() - began)
    return sorted(spent)[15]


def test_submits_are_answered_while_logins_are_hammered(tmp_path: Path) -> None:
    with Stack(tmp_path, {"TXN_ADMIN_USERS": f"ada:operate:{password_hash.hash_password(PASSWORD)}"}) as stack:
        over, answers = threading.Event(), []

        def hammer(number: int) -> None:
            session = requests.Session()
            token = csrf(session.get(f"{stack.url}/admin/login", timeout=60).text)
            while not over.is_set():
                # Everybody from another address, so that only the bound on hashing is in the way.
                headers = {"X-Forwarded-For": f"10.{number}.{len(answers) // 250 % 250}.{len(answers) % 250}"}
                form = {"csrf": token, "name": f"n{len(answers)}", "password": "guess"}
                url = f"{stack.url}/admin/login"
                answers.append(session.post(url, data=form, headers=headers, timeout=60).status_code)

        before = median_of_submits(stack, "before")
        with ThreadPoolExecutor(24) as pool, contextlib.ExitStack() as ending:
            ending.callback(over.set)  # whatever happens: the pool waits for its threads
            for number in range(24):
                pool.submit(hammer, number)
            stack.until(lambda: len(answers) > 100, "logins come in")
            meanwhile = median_of_submits(stack, "meanwhile")
        assert set(answers) == {401, 503}
        print(f"submit: median {before:.3f} s, and {meanwhile:.3f} s while {len(answers)} logins came in")
        assert meanwhile < 0.5 + 10 * before


def test_a_password_on_standard_input_is_hashed() -> None:
    ended = hash_password(input="right horse\n")
    assert ended.returncode == 0
    assert ended.stdout.startswith("$argon2id$")
    assert "right horse" not in ended.stdout + ended.stderr
    assert ended.stdout != hash_password(input="right horse\n").stdout


def test_a_short_password_is_refused() -> None:
    ended = hash_password(input="short\n")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "8 to 1024 characters" in ended.stderr


def test_at_a_terminal_the_password_is_asked_for_twice_and_not_shown() -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "txn", "hash-password"]
    with subprocess.Popen(command, cwd=ROOT, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs) as asked:
        os.close(theirs)
        shown = b""
        for prompt in (b"Password: ", b"confirmation: "):
            while prompt not in shown:
                shown += os.read(ours, 1000)
            os.write(ours, b"right horse\n")
        assert asked.stdout is not None
        assert asked.stdout.read().startswith(b"$argon2id$")
    os.close(ours)
    assert b"right horse" not in shown


def test_make_run_makes_a_user_and_tells_only_its_terminal(tmp_path: Path) -> None:
    ports = own_ports()
    with make_run(tmp_path, **ports) as running:
        line = running.until("admin site")
        password = line.rpartition("password ")[2].rstrip(")")
        session = logged_in(f"http://127.0.0.1:{ports['TXN_PORT']}", "operator", password)
        assert "operator" in session.get(f"http://127.0.0.1:{ports['TXN_PORT']}/admin", timeout=60).text
        assert [seen for seen in running.seen if password in seen] == [line]
        assert not line.startswith(("api", "worker", "mock", "valkey"))


def test_make_run_uses_the_users_that_are_given(tmp_path: Path) -> None:
    ports = own_ports()
    with make_run(tmp_path, **ports, TXN_ADMIN_USERS=LINES) as running:
        assert "with a user of TXN_ADMIN_USERS" in running.until("admin site")
        logged_in(f"http://127.0.0.1:{ports['TXN_PORT']}", "vic")
