"""What only the real server shows: connections that are slow, odd, or left open."""

import contextlib
import json
import socket
import subprocess
import sys

import pytest

from tests.system.stack import ROOT, Stack, stack_fixture

HEAD = b"POST /api/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"

stack = stack_fixture(scope="module")


def connection(stack: Stack, sent: bytes) -> socket.socket:
    found = socket.create_connection(("127.0.0.1", stack.api_port), timeout=60)
    found.sendall(sent)
    return found


def test_clients_that_never_finish_their_request_keep_nobody_out(stack: Stack) -> None:
    with contextlib.ExitStack() as open_ones:
        for sent in [HEAD + b"Content-Length: 100\r\n\r\n{", b"P", HEAD] * 50:
            open_ones.enter_context(connection(stack, sent))
        # Each of them would hold a thread, if there were threads; the client gives up after a minute.
        assert [stack.submit() for _ in range(20)]


def test_clients_that_do_not_close_keep_nobody_out(stack: Stack) -> None:
    with contextlib.ExitStack() as open_ones:
        for _ in range(50):
            open_ones.enter_context(
                connection(stack, b"GET /api/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            )
        # A server that waits 2 s for each of them to close would be silent for longer than the client waits.
        assert [stack.submit() for _ in range(20)]


@pytest.mark.parametrize("body", [b"zz\r\n{}\r\n0\r\n\r\n", b"-5\r\n{}\r\n0\r\n\r\n", b"2\r\n{}XX0\r\n\r\n"])
def test_a_body_in_malformed_chunks_is_400(stack: Stack, body: bytes) -> None:
    with connection(stack, HEAD + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + body) as client:
        head, _, answer = b"".join(iter(lambda: client.recv(65536), b"")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    assert json.loads(answer)["code"] == "invalid_body"


#: Makes gunicorn's logger as gunicorn does, in a process whose logging may be changed.
LOGGER = """
import runpy
from gunicorn.config import Config
config = Config()
for name, value in runpy.run_path("ops/gunicorn.conf.py").items():
    if name in config.settings:
        config.set(name, value)
print(config.logger_class(config).access_log_enabled)
"""


def test_a_request_costs_nothing_for_a_log_that_nobody_keeps() -> None:
    made = subprocess.run([sys.executable, "-c", LOGGER], cwd=ROOT, text=True, capture_output=True, check=True)
    assert made.stdout == "False\n"
