"""All transports against a raw server. Payload and credentials are marked, so that no error text can quote them."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.posting.on_a_loop import OnALoop
from tests.posting.raw_server import RawServer, Turn
from txn.posting.curl import CurlTransport
from txn.posting.requests.transport import RequestsTransport
from txn.posting.transport import Answer, NotSent, Request, TransportError, always

BODY = b'{"id":"x","amount":100.50,"description":"s3cret payload"}'
NO_HEADERS: Mapping[str, str] = {}
Kind = type[CurlTransport] | type[OnALoop] | type[RequestsTransport]
KINDS: list[Kind] = [CurlTransport, OnALoop, RequestsTransport]


class Wire:
    """A transport and the server behind it."""

    def __init__(
        self, kind: Kind, url: str, server: RawServer | None = None, ca_file: str | None = None, **options: Any
    ) -> None:
        self.transport, self._server = kind(url, ca_file, **options), server
        self._warmed = 0

    @property
    def server(self) -> RawServer:
        assert self._server is not None
        return self._server

    def warm(self) -> None:
        """Leave a connection for the next call to reuse."""
        turns, self.server.turns = self.server.turns, []
        assert self.get("/warm").status == 200
        self.server.turns, self._warmed = turns, 1

    def get(
        self,
        path: str = "/transactions/x",
        timeout_ms: int = 5_000,
        may_send: Callable[[], bool] = always,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> Answer:
        return self.transport.send(Request("GET", path, headers, timeout_ms), may_send)

    def post(
        self,
        path: str = "/transactions",
        body: bytes | None = BODY,
        timeout_ms: int = 5_000,
        may_send: Callable[[], bool] = always,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> Answer:
        return self.transport.send(Request("POST", path, headers, timeout_ms, body), may_send)

    def fails(self, expected: type[TransportError], call: Callable[[], Answer]) -> str:
        """The text of the error; it is of exactly the expected class, and fit for a log."""
        with pytest.raises(TransportError) as caught:
            call()
        return self.reads_well(expected, caught.value)

    def reads_well(self, expected: type[TransportError], error: TransportError) -> str:
        text = str(error)
        assert type(error) is expected, text
        assert 0 < len(text) <= 200
        assert text.isprintable()
        assert "s3cret" not in text
        assert "clerk" not in text
        return text

    def fails_on_time(self, expected: type[TransportError], timeout_ms: int, **options: object) -> str:
        """The same for a POST that nothing but its deadline ends.

        Where the machine stands still, it ends before the first byte: then nothing has arrived, and more time is given.
        """
        for patience_ms in (timeout_ms, 10_000):
            began = time.monotonic()
            with pytest.raises(TransportError) as caught:
                self.post(timeout_ms=patience_ms, **options)  # type: ignore[arg-type]
            took_ms = (time.monotonic() - began) * 1000
            assert patience_ms - 5 < took_ms < patience_ms + 10_000
            if type(caught.value) is expected or type(caught.value) is not NotSent:
                break
        return self.reads_well(expected, caught.value)

    def arrived(self) -> list[bytes]:
        """Every request that arrived, even a part of one, and ever will; none of them is the warming one."""
        self.transport.close()
        return self.server.stop()[self._warmed :]


class Wires:
    """Opens wires, and closes what it has opened."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._opened: list[Wire] = []

    def connect(
        self, *turns: Turn, reused: bool = False, scheme: str = "http", ca_file: str | None = None, **options: object
    ) -> Wire:
        """A wire to a raw server of its own; the options are the server's.

        `reused`: the next call finds a connection that has served another one.
        """
        server = RawServer(*turns, tls=scheme == "https", **options)  # type: ignore[arg-type]
        wire = self.to(server.port, scheme, server=server, ca_file=ca_file)
        if reused:
            wire.warm()
        return wire

    def to(self, port: int, scheme: str = "http", host: str = "127.0.0.1", **options: object) -> Wire:
        """A wire to a port of this machine, whoever is there or not."""
        url = f"{scheme}://clerk:s3cret%40word@{host}:{port}/base/"
        self._opened.append(Wire(self.kind, url, **options))  # type: ignore[arg-type]
        return self._opened[-1]

    def close(self) -> None:
        for wire in self._opened:
            wire.transport.close()
            if wire._server is not None:
                wire.server.stop()


@pytest.fixture(params=KINDS)
def wires(request: pytest.FixtureRequest) -> Iterator[Wires]:
    opened = Wires(request.param)
    yield opened
    opened.close()
