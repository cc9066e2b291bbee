"""What only the real server shows: how header lines reach the application, and what it does with a HEAD."""

import http.client
import json
import shutil
import socket
import subprocess
from typing import Any

import pytest

from tests.parts import BODY
from tests.system.stack import Stack, stack_fixture
from txn.model.ids import id_for_key

JSON = b"Content-Type: application/json\r\n"

stack = stack_fixture(scope="module")


def sent(stack: Stack, lines: bytes, body: bytes = BODY, length: bool = True, method: str = "POST") -> tuple[int, Any]:
    head = f"{method} /api/transactions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode() + lines
    head += f"Content-Length: {len(body)}\r\n".encode() * length
    with socket.create_connection(("127.0.0.1", stack.api_port), timeout=60) as client:
        client.sendall(head + b"\r\n" + body)
        answer, _, document = b"".join(iter(lambda: client.recv(65536), b"")).partition(b"\r\n\r\n")
    status = int(answer.split()[1])
    return status, json.loads(document) if document.startswith(b"{") else document


@pytest.mark.parametrize(
    "lines",
    [
        b"Idempotency-Key: a\r\nIdempotency-Key: a\r\n",
        b"Idempotency-Key: a\r\nIdempotency-Key: b\r\n",
        b"Idempotency-Key: a\r\nX-Other: 1\r\nidempotency-key: b\r\nIDEMPOTENCY-KEY: c\r\n",
        b"Idempotency-Key:\r\n",
        b"Idempotency-Key: \r\n",
        b"Idempotency-Key:\r\nIdempotency-Key: a\r\n",
        b"Idempotency-Key: a\r\nIdempotency-Key:\r\n",
        b"Idempotency-Key: a, b\r\n",
        b"Idempotency-Key: a,a\r\n",
        b"Idempotency-Key: \xe9\r\n",
        b"Idempotency-Key: " + b"a" * 256 + b"\r\n",
        b"Idempotency_Key: a\r\n",
        b"idempotency_key: a\r\n",
        b"X_Idempotency_Key: a\r\n",
        b"Idempotency-Key: a\r\nIdempotency_Key: a\r\n",
        b"X-Idempotency-Key: a\r\n",
        b"IdempotencyKey: a\r\n",
        b"Idempotence-Key: a\r\n",
        b"X-Request-Idempotency-Key: a\r\n",
    ],
)
def test_no_key_that_was_sent_is_overlooked_or_mistaken_for_another(stack: Stack, lines: bytes) -> None:
    status, found = sent(stack, JSON + lines)
    assert (status, found["code"], found["field"]) == (400, "invalid", "Idempotency-Key")


@pytest.mark.parametrize("key", ["a", "a,b", "a;b", "'a'", '"b"', "x" * 255])
def test_one_line_is_one_key_with_its_comma(stack: Stack, key: str) -> None:
    status, found = sent(stack, JSON + f"Idempotency-Key: {key}\r\n".encode())
    assert (status, found["transactionId"]) == (202, id_for_key(key.strip('"')))


def test_other_headers_with_underscores_are_left_out_as_ever(stack: Stack) -> None:
    assert sent(stack, JSON + b"X_Forwarded_For: 1\r\nScript_Name: /api\r\nCONTENT_TYPE: text/plain\r\n")[0] == 202


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (b"Content-Encoding: gzip\r\n", 415),
        (b"Content-Encoding: gzip\r\nContent-Encoding: identity\r\n", 415),
        (b"Content-Encoding: identity\r\n", 202),
    ],
)
def test_a_compressed_body_is_named(stack: Stack, lines: bytes, status: int) -> None:
    found, document = sent(stack, JSON + lines)
    assert (found, document.get("field")) == (status, "Content-Encoding" if status == 415 else None)


def test_a_compressed_transfer_is_refused(stack: Stack) -> None:
    status, _ = sent(stack, JSON + b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n", length=False)
    assert status in (400, 501)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/api/health", "/api/transactions/a", "/api/transactions", "/x"])
def test_a_head_is_a_get_without_a_body_and_the_connection_goes_on(stack: Stack, path: str) -> None:
    stack.submit(body=json.loads(BODY) | {"id": "a"})
    client = http.client.HTTPConnection("127.0.0.1", stack.api_port, timeout=60)
    found = {}
    for method in ("HEAD", "GET", "HEAD"):
        client.request(method, path)
        answer = client.getresponse()
        found[method] = (answer.status, answer.headers["Content-Type"], answer.headers["Content-Length"])
        body = answer.read()
    client.close()
    assert body == b""
    assert found["HEAD"] == found["GET"]


@pytest.mark.parametrize("command", [["curl", "-sfI"], ["wget", "-q", "--spider"]])
@pytest.mark.parametrize("path", ["/livez", "/readyz", "/api/health", "/metrics"])
def test_what_probes_are_written_with_takes_it_for_well(stack: Stack, command: list[str], path: str) -> None:
    stack.submit()
    if not shutil.which(command[0]):
        command = ["curl", "-sfI"]
    done = subprocess.run([*command, stack.url + path], capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done


def answered(stack: Stack, request: bytes) -> list[str]:
    """The ids of the requests, by the answers."""
    with socket.create_connection(("127.0.0.1", stack.api_port), timeout=60) as client:
        client.sendall(request)
        answers = b"".join(iter(lambda: client.recv(65536), b""))
    return [line.split(": ")[1] for line in answers.decode().splitlines() if line.lower().startswith("x-request-id:")]


def test_a_malformed_request_is_logged_under_the_id_of_its_answer_and_not_of_the_one_before(stack: Stack) -> None:
    good = b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n\r\n"
    [first, second] = answered(stack, good + b"GET /livez HTTP/1.1\r\nbad line\r\n\r\n")
    assert first == "mine"
    assert len(second) == 32
    lines = [json.loads(text) for text in (stack.folder / "api.log").read_text().splitlines()]
    assert second in [line.get("request_id") for line in lines if "malformed" in line["event"]]
