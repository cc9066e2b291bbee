import re

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
    assert "a was accepted and goes on without you: txn show a" in terminal.seen
    assert "Traceback" not in terminal.seen


def test_a_password_in_the_url_is_not_shown(txn: Commands) -> None:
    with StubApi(post=BROKEN_PROXY) as api:
        for url in (api.url.replace("//", "//me:s3cret@"), "http://me:s3cret@127.0.0.1:1"):
            done = txn("submit", "1", "USD", "x", "--url", url)
            assert (done.code, "s3cret" in done.err) == (2, False)
            assert "127.0.0.1" in done.err


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://host", "http://", "http://host:0", "http://[::1"])
def test_what_is_no_url_is_refused(txn: Commands, url: str) -> None:
    done = txn("submit", "1", "USD", "x", "--url", url)
    assert (done.code, done.out) == (2, "")
    assert done.err == "txn submit: --url must be http:// or https://, a host, and a valid port if any\n"
