import http.client
import inspect
import ssl
from collections.abc import Callable
from typing import Any

import pycurl
import pytest
import requests
import urllib3

from tests.posting.on_a_loop import OnALoop
from txn.posting.curl import CurlTransport
from txn.posting.curl_loop import Transfers
from txn.posting.curl_multi import MultiTransport
from txn.posting.requests.connection import CALL
from txn.posting.requests.transport import RequestsTransport
from txn.posting.transport import (
    AsyncTransport,
    MaybeSent,
    NotSent,
    Request,
    Transport,
    TransportError,
    Withheld,
    always,
)

CODES = sorted({value for name, value in vars(pycurl).items() if name.startswith("E_") and isinstance(value, int)})
FOREIGN = sorted(
    {
        found
        for module in (requests.exceptions, urllib3.exceptions, http.client, ssl)
        for found in vars(module).values()
        if inspect.isclass(found) and issubclass(found, Exception) and not issubclass(found, Warning)
    },
    key=str,
)
#: What happened before the error, and what the call must then end with.
CASES = [("nothing", NotSent), ("withheld", Withheld), ("passed", MaybeSent)]


class FailingCurl(pycurl.Curl):  # type: ignore[misc]
    """Goes as far as it is told, fails with a code, and claims to have sent a number of bytes."""

    code, stage, sent = 0, "", 0
    last_check: Callable[..., int]

    def setopt(self, option: int, value: Any) -> None:
        if option == pycurl.PREREQFUNCTION:
            self.last_check = value
        super().setopt(option, value)

    def perform(self) -> None:
        if self.stage != "nothing":
            self.last_check("127.0.0.1", "127.0.0.1", 1, 2)
        raise pycurl.error(self.code, "what libcurl says\n of it")

    def getinfo(self, option: int) -> object:
        return self.sent if option == pycurl.REQUEST_SIZE else super().getinfo(option)


def fail(transport: Transport, stage: str) -> TransportError:
    may_send = (lambda: False) if stage == "withheld" else always
    with pytest.raises(TransportError) as caught:
        transport.send(Request("POST", "/x", {}, 1_000, b""), may_send)
    transport.close()
    assert str(caught.value).isprintable()
    return caught.value


async def begin(_transfers: Transfers, curl: FailingCurl) -> tuple[int, str]:
    try:
        curl.perform()
    except pycurl.error as error:
        return error.args[0], error.args[1]
    raise AssertionError("it fails")


@pytest.fixture(params=[CurlTransport, OnALoop])
def libcurl(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[CurlTransport | OnALoop]:
    monkeypatch.setattr(pycurl, "Curl", FailingCurl)
    monkeypatch.setattr(Transfers, "begin", begin)
    monkeypatch.setattr(Transfers, "end", lambda _transfers, _curl: None)
    found: type[CurlTransport | OnALoop] = request.param
    return found


@pytest.mark.parametrize(("stage", "expected"), CASES)
@pytest.mark.parametrize("code", CODES)
def test_every_error_of_libcurl_is_sorted_by_what_may_have_left(
    libcurl: type[CurlTransport | OnALoop],
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    stage: str,
    expected: type[TransportError],
) -> None:
    monkeypatch.setattr(FailingCurl, "code", code)
    monkeypatch.setattr(FailingCurl, "stage", stage)
    assert type(fail(libcurl("http://h"), stage)) is expected


@pytest.mark.parametrize("stage", ["nothing", "withheld"])
def test_bytes_that_libcurl_counts_outweigh_what_the_gate_knows(
    libcurl: type[CurlTransport | OnALoop], monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    monkeypatch.setattr(FailingCurl, "code", pycurl.E_COULDNT_CONNECT)
    monkeypatch.setattr(FailingCurl, "stage", stage)
    monkeypatch.setattr(FailingCurl, "sent", 1)
    assert type(fail(libcurl("http://h"), stage)) is MaybeSent


@pytest.mark.parametrize(("stage", "expected"), CASES)
@pytest.mark.parametrize("foreign", FOREIGN)
def test_every_error_of_requests_is_sorted_by_what_may_have_left(
    monkeypatch: pytest.MonkeyPatch, foreign: type[Exception], stage: str, expected: type[TransportError]
) -> None:
    def send(*args: object, **kwargs: object) -> None:
        if stage != "nothing":
            CALL.get().opens()
        raise foreign.__new__(foreign)

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    assert type(fail(RequestsTransport("http://h"), stage)) is expected


def test_all_transports_are_transports() -> None:
    found: list[Transport] = [CurlTransport("http://h"), RequestsTransport("http://h")]
    on_loops: list[AsyncTransport] = [MultiTransport("http://h")]
    assert len(found) + len(on_loops) == 3
