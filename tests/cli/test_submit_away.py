import re
import shlex
import signal
import socket
from threading import Thread

import pytest

from tests.cli.stub_api import BROKEN_PROXY, PENDING, StubApi
from tests.cli.terminal import Commands


@pytest.fixture
def txn() -> Commands:
    return Commands({})


def test_whoever_is_not_answered_is_told_the_key_to_repeat_it_with(txn: Commands) -> None:
    with StubApi(post=BROKEN_PROXY) as api:
        done, named = (txn("submit", "1", "USD", "x", *more, "--url", api.url) for more in ((), ("--key", "order-1")))
    assert (done.code, named.code, done.out, named.out) == (2, 2, "", "")
    assert re.search(r"It may have been stored: repeat it with --key [0-9a-f-]{36}, ", done.err)
    assert "repeat it with --key order-1, " in named.err


def test_what_was_accepted_is_named_when_the_api_goes_away_while_it_is_waited_for(txn: Commands) -> None:
    with StubApi(post=PENDING, get=BROKEN_PROXY) as api:
        done = txn("submit", "1", "USD", "x", "--wait", "--url", api.url)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("txn submit: a was accepted and goes on, but what answers at http://127.0.0.1:")


def test_ctrl_c_while_it_is_waited_for_names_it_too(txn: Commands) -> None:
    with (
        StubApi(post=PENDING, get=PENDING) as api,
        txn.at_terminal("submit", "1", "USD", "x", "--wait", "--url", api.url) as terminal,
    ):
        terminal.until("a is pending")
        terminal.interrupt()
        assert terminal.ends() == 130
    assert "a was accepted and goes on: txn show a" in terminal.seen
    assert "Traceback" not in terminal.seen


def test_a_password_in_the_url_is_not_shown(txn: Commands) -> None:
    with StubApi(post=BROKEN_PROXY) as api:
        for url in (api.url.replace("//", "//me:s3cret@"), "http://me:s3cret@127.0.0.1:1"):
            done = txn("submit", "1", "USD", "x", "--url", url)
            assert (done.code, "s3cret" in done.err) == (2, False)
            assert "127.0.0.1" in done.err


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8000",
        "ftp://host",
        "http://",
        "http://host:0",
        "http://[::1",
        "http://ho st",
        "http://h\n",
        "http://h?a",
        "",
    ],
)
def test_what_is_no_url_is_refused(txn: Commands, url: str) -> None:
    done = txn("submit", "1", "USD", "x", "--url", url)
    assert (done.code, done.out) == (2, "")
    assert done.err == "txn submit: --url must be http:// or https://, a host, and a valid port if any\n"


KEYS = ["", " ", "a b", "a\nb", "a\r\nX: y", "\t", "\u00e9", "\udcff", "\x7f", "a" * 256]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_is_none_is_refused_and_nothing_is_sent(txn: Commands, key: str) -> None:
    with StubApi(post=PENDING) as api:
        done = txn("submit", "1", "USD", "x", "--key", key, "--url", api.url)
        assert api.posts == 0
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert done.err.startswith("txn submit: --key ")
    assert done.err.endswith("Nothing was sent\n")
    assert "may have been stored" not in done.err


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ("", "is empty"),
        ("{", "is not JSON"),
        ('{"a": NaN}', "is not JSON"),
        ('{"a": -Infinity}', "is not JSON"),
        ('{"a": "\\ud800"}', "is not JSON"),
        ('{"a": 1, "a": 2}', "is not JSON"),
        ('{"x": ' + "[" * 5_000 + "]" * 5_000 + "}", "is not JSON"),
        ('{"x": 1e99999999999999999999}', "too large"),
        ('{"x": ' + "1" * 5_000 + "}", "too large"),
        ('{"x": "\udcff"}', "not UTF-8"),
        ("\ufeff{}", "is not JSON"),
    ],
)
def test_metadata_that_cannot_be_sent_are_refused_and_nothing_is_sent(txn: Commands, metadata: str, said: str) -> None:
    with StubApi(post=PENDING) as api:
        done = txn("submit", "1", "USD", "x", "--metadata", metadata, "--url", api.url)
        assert api.posts == 0
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert said in done.err
    assert done.err.endswith("Nothing was sent\n")


@pytest.mark.parametrize("metadata", ["null", "{}", '{"x": 1e9999999999}', '{"x": 1.10}', '{"x": "\\u0000"}'])
def test_what_can_be_sent_is_for_the_api_to_judge(txn: Commands, metadata: str) -> None:
    with StubApi(post=PENDING) as api:
        done = txn("submit", "1", "USD", "x", "--metadata", metadata, "--url", api.url)
        assert api.posts == 1
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("place", range(3))
def test_a_text_that_is_not_utf_8_is_refused_and_named(txn: Commands, place: int) -> None:
    texts = ["1", "USD", "x"]
    texts[place] += "\udcff"
    with StubApi(post=PENDING) as api:
        done = txn("submit", *texts, "--url", api.url)
        assert api.posts == 0
    name = ("amount", "currency", "description")[place]
    assert done.err == f"txn submit: {name} holds bytes that are not UTF-8. Nothing was sent\n"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_where_nobody_listens_nothing_was_sent(txn: Commands, scheme: str) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        done = txn("submit", "1", "USD", "x", "--url", f"{scheme}://127.0.0.1:{closed.getsockname()[1]}")
    assert done.code == 2
    assert done.err.endswith("Nothing was sent\n")
    assert "may have been stored" not in done.err


def test_of_a_tls_handshake_that_fails_nothing_was_sent(txn: Commands) -> None:
    with StubApi(post=PENDING) as api:
        done = txn("submit", "1", "USD", "x", "--url", api.url.replace("http:", "https:"))
        assert api.posts == 0
    assert done.err.endswith("Nothing was sent\n")


def test_an_answer_that_was_cut_off_is_a_submit_that_may_have_been_stored(txn: Commands) -> None:
    key = "it's-1"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take_one_and_close() -> None:
            connection, _ = server.accept()
            server.close()  # and from now on nobody is there: the repeat is refused, which proves nothing
            with connection:
                assert b"POST" in connection.recv(65536)

        thread = Thread(target=take_one_and_close)
        thread.start()
        done = txn("submit", "1", "USD", "x", "--key", key, "--url", f"http://127.0.0.1:{server.getsockname()[1]}")
        thread.join()
    assert done.code == 2
    assert f"It may have been stored: repeat it with --key {shlex.quote(key)}, " in done.err
    assert "Nothing was sent" not in done.err


def test_ctrl_c_before_an_answer_names_the_key(txn: Commands) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = (
            "submit",
            "1",
            "USD",
            "x",
            "--key",
            "order-1",
            "--url",
            f"http://127.0.0.1:{server.getsockname()[1]}",
        )
        with txn.at_terminal(*command) as terminal:
            connection, _ = server.accept()
            with connection:
                assert connection.recv(65536)
                terminal.interrupt()
                assert terminal.ends() == 128 + signal.SIGINT
    assert "It may have been stored: repeat it with --key order-1" in terminal.seen
    assert "Traceback" not in terminal.seen


@pytest.mark.parametrize(
    "answer",
    [
        "[]",
        "1e99999999999999999999",
        '{"transactionId": 1}',
        '{"transactionId": "a"}',
        '{"x": ' + "1" * 5_000 + "}",
        "",
    ],
)
def test_an_answer_that_is_not_the_apis_is_one_sentence(txn: Commands, answer: str) -> None:
    with StubApi(post=(200, answer)) as api:
        done = txn("submit", "1", "USD", "x", "--url", api.url)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "is not txn's API (200)" in done.err
    assert "may have been stored" in done.err
