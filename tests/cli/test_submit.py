import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.stub_api import PENDING
from tests.cli.terminal import Commands
from tests.system.stack import Stack, stack_fixture

pytestmark = pytest.mark.timeout(300)

stack = stack_fixture(workers=1, scope="module")


@pytest.fixture
def txn(stack: Stack) -> Iterator[Commands]:
    """Whatever a test leaves under way is finished before the next one plans faults or counts rows."""
    yield Commands({"TXN_REDIS_URL": f"redis://127.0.0.1:{stack.redis_server.port}/0"})
    stack.until_quiet()


def test_its_id_is_printed_and_it_is_there(txn: Commands, stack: Stack) -> None:
    done = txn("submit", "100.50", "USD", "Payment", "--metadata", '{"order": 1.10}', "--url", stack.url, "--wait")
    assert done.code == 0, done.err
    name, status = done.out.split()
    assert status == "completed"
    [row] = [row for row in stack.mock.rows() if row["id"] == name]
    assert (str(row["amount"]), str(row["metadata"]["order"])) == ("100.50", "1.10")


def test_an_expiry_is_a_length_of_time_or_a_moment(txn: Commands, stack: Stack) -> None:
    for when in ("30m", "2999-01-01T00:00:00Z"):
        done = txn("submit", "1.00", "USD", "x", "--deliver-by", when, "--url", stack.url, "--wait", "--json")
        assert done.code == 0, done.err
        found = json.loads(done.out)
        assert found["submittedAt"] < found["deliverBy"], when
    refused = txn("submit", "1.00", "USD", "x", "--deliver-by", "tomorrow", "--url", stack.url)
    assert (refused.code, "deliverBy" in refused.err) == (2, True)


def test_without_waiting_it_is_acknowledged(txn: Commands, stack: Stack) -> None:
    found = txn("submit", "1", "USD", "x", "--url", stack.url, "--json").json
    assert set(found) == {"transactionId", "status", "submittedAt", "completedAt", "error"}


def test_neither_a_proxy_nor_a_password_of_the_environment_is_used(txn: Commands, stack: Stack, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password s3cret\n")
    with socket.create_server(("127.0.0.1", 0)) as api:
        url = f"http://127.0.0.1:{api.getsockname()[1]}"
        received = []

        def answer() -> None:
            client, _ = api.accept()
            with client:
                received.append(client.recv(65536))
                client.sendall(
                    b"HTTP/1.1 202 Accepted\r\nContent-Length: %d\r\n\r\n" % len(PENDING[1]) + PENDING[1].encode()
                )

        thread = threading.Thread(target=answer)
        thread.start()
        environment = {"HTTP_PROXY": stack.mock.url, "http_proxy": stack.mock.url, "NO_PROXY": "", "no_proxy": ""}
        txn("submit", "1", "USD", "x", "--url", url, **environment, NETRC=str(netrc))
        thread.join()
    assert received[0].startswith(b"POST /api/transactions ")
    assert b"authorization" not in received[0].lower()


def test_the_same_key_is_the_same_transaction(txn: Commands, stack: Stack) -> None:
    names = {txn("submit", "1", "USD", "x", "--key", "k", "--url", stack.url).out.split()[0] for _ in range(2)}
    assert len(names) == 1


def test_one_that_fails_says_why_and_the_exit_code_is_1(txn: Commands, stack: Stack) -> None:
    stack.mock.faults(reject=1.0)
    done = txn("submit", "1", "USD", "refuse me", "--url", stack.url, "--wait")
    stack.mock.faults()
    assert done.code == 1
    assert re.match(r"\S+ +failed +rejected: POST: answered 400", done.out)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("much", "USD", "x"), "amount"),
        (("1", "dollars", "x"), "currency"),
        (("1", "USD", "x", "--metadata", "{"), "--metadata is not JSON"),
        (("1", "USD", "x", "--metadata", "[]"), "metadata"),
        (("much", "dollars", ""), "amount: must be a number or a decimal string, such as 100.50; currency: must be"),
    ],
)
def test_what_the_api_refuses_is_said_with_its_field(
    txn: Commands, stack: Stack, arguments: tuple[str, ...], said: str
) -> None:
    done = txn("submit", *arguments, "--url", stack.url)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert done.err.count("\n") == 1


def test_other_content_under_a_known_key_is_refused(txn: Commands, stack: Stack) -> None:
    txn("submit", "1", "USD", "x", "--key", "taken", "--url", stack.url)
    done = txn("submit", "2", "USD", "x", "--key", "taken", "--url", stack.url)
    assert done.code == 2
    assert "used before" in done.err


def test_with_nobody_there_it_says_where_it_looked(txn: Commands) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        done = txn("submit", "1", "USD", "x", "--url", url)
    assert (done.code, done.out) == (2, "")
    assert f"the API does not answer at {url}" in done.err
    assert done.err.count("\n") == 1


def test_somebody_else_there_is_no_api(txn: Commands, stack: Stack) -> None:
    done = txn("submit", "1", "USD", "x", "--url", f"{stack.mock.url}/nowhere")
    assert done.code == 2
    assert "is not txn's API (404)" in done.err


def test_a_submit_that_cannot_be_kept_is_repeated_until_it_can(txn: Commands, stack: Stack) -> None:
    stack.redis_server.kill()
    back = threading.Timer(1.5, stack.redis_server.start)
    back.start()
    done = txn("submit", "1", "USD", "while Redis is away", "--url", stack.url, "--wait")
    back.join()
    assert done.code == 0, done.err
    stack.until_quiet()
    [row] = [row for row in stack.mock.rows() if row["description"] == "while Redis is away"]
    assert row["id"] == done.out.split()[0]
