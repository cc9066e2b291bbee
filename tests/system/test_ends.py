"""SIGTERM: what has begun is answered, what is idle is closed, and there is an end to it."""

import contextlib
import http.client
import json
import os
import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.parts import BODY
from tests.system.stack import Process, ShippedStack, Stack, stack_fixture

pytestmark = pytest.mark.timeout(600)

#: Much longer than a stop may take: if it was waited for, a test would see it.
GRACE_S = 120
PATIENCE_S = 60
JSON = {"Content-Type": "application/json"}

stack = stack_fixture({"GUNICORN_CMD_ARGS": f"--graceful-timeout {GRACE_S}"})


def redis_signal(stack: Stack, number: signal.Signals) -> None:
    assert stack.redis_server.process is not None
    os.kill(stack.redis_server.process.pid, number)


def stopped(stack: Stack, process: Process | None = None) -> int:
    """The exit code of a process, or the API, of which nothing is left then."""
    process = process or stack.processes["api"]
    assert process.popen is not None
    children = process.children()
    process.popen.terminate()
    code = process.popen.wait(PATIENCE_S)
    stack.until(lambda: not any(child.is_running() for child in children), "its children have ended", PATIENCE_S)
    return code


def test_idle_connections_do_not_keep_it(stack: Stack) -> None:
    # Let in before those that are answered: a connection that waits to be let in is reset.
    untouched = socket.create_connection(("127.0.0.1", stack.api_port), timeout=PATIENCE_S)
    clients = [http.client.HTTPConnection("127.0.0.1", stack.api_port, timeout=PATIENCE_S) for _ in range(20)]
    for client in clients:
        client.request("GET", "/livez")
        client.getresponse().read()
    assert stopped(stack) == 0
    assert untouched.recv(1) == b""
    for client in (*clients, untouched):
        client.close()


def test_what_has_begun_is_answered_and_is_the_last_on_its_connection(stack: Stack) -> None:
    client = http.client.HTTPConnection("127.0.0.1", stack.api_port, timeout=PATIENCE_S)
    begun = BODY[:1]
    client.putrequest("POST", "/api/transactions")
    for name, value in {**JSON, "Content-Length": str(len(BODY))}.items():
        client.putheader(name, value)
    client.endheaders(begun)
    stack.submit()  # by now it is being read
    with ThreadPoolExecutor() as pool:
        code = pool.submit(stopped, stack)
        stack.until(lambda: "Handling signal: term" in stack.logs(), "it is told")
        stack.until(lambda: refuses(stack), "nobody new gets in")
        client.send(BODY[1:])
        answer = client.getresponse()
        assert (answer.status, answer.headers["Connection"]) == (202, "close")
        assert json.loads(answer.read())["status"] == "pending"
        assert code.result() == 0
    client.close()


def refuses(stack: Stack) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", stack.api_port), timeout=PATIENCE_S):
            return False
    except ConnectionError:
        return True


def there(_stack: Stack) -> None:
    pass


def gone(stack: Stack) -> None:
    stack.redis_server.kill()


def frozen(stack: Stack) -> None:
    redis_signal(stack, signal.SIGSTOP)


def loading(stack: Stack) -> None:
    """A server that answers everybody that it is still reading its data."""
    stack.redis_server.kill()
    listener = socket.create_server(("127.0.0.1", stack.redis_server.port))

    def answer(client: socket.socket) -> None:
        with client, contextlib.suppress(ConnectionError):  # of a process that ends
            while data := client.recv(65536):
                client.sendall(
                    b"-LOADING Redis is loading the dataset in memory\r\n" * max(1, data.count(b"\r\n*") + 1)
                )

    def accept() -> None:
        with listener:
            while True:
                threading.Thread(target=answer, args=[listener.accept()[0]], daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


@pytest.mark.parametrize("state", [there, gone, frozen, loading])
@pytest.mark.parametrize("times", [1, pytest.param(12, marks=pytest.mark.long)])
def test_it_ends_whatever_redis_does(tmp_path: Path, state: Callable[[Stack], None], times: int) -> None:
    for number in range(times):
        with ShippedStack(tmp_path / str(number)) as stack, ThreadPoolExecutor() as pool:
            worker = stack.start_worker(processes=1)
            clients = [http.client.HTTPConnection("127.0.0.1", stack.api_port, timeout=PATIENCE_S) for _ in range(8)]
            state(stack)
            asked = [pool.submit(client.request, "POST", "/api/transactions", BODY, JSON) for client in clients]
            assert all(found.result() is None for found in asked)
            ended = pool.submit(stopped, stack, worker)
            assert stopped(stack) == 0
            ended.result()
            for client in clients:
                client.close()
