import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

import pycurl
import pytest

from tests.posting.conftest import BODY
from tests.posting.raw_server import PATIENCE_S, Peer, RawServer, hanging
from txn.errors import BadSettings
from txn.posting.curl_multi import MultiTransport
from txn.posting.transport import Answer, MaybeSent, NotSent, Request, always

MANY = 12


def post(transport: MultiTransport, path: str = "/x", **options: Any) -> Coroutine[Any, Any, Answer]:
    may_send = options.pop("may_send", always)
    return transport.send(Request("POST", path, {}, 5_000, BODY)._replace(**options), may_send)


def test_requests_at_once_each_have_a_connection_and_leave_it_to_the_next() -> None:
    server = RawServer()
    all_here = threading.Barrier(MANY)

    def turn(peer: Peer) -> None:
        all_here.wait(PATIENCE_S)  # which is never reached if one waits for another
        peer.say([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"])

    async def run() -> None:
        transport = MultiTransport(f"http://127.0.0.1:{server.port}")
        for _ in range(3):
            server.turns = [turn] * MANY
            answers = await asyncio.gather(*(post(transport, f"/{number}") for number in range(MANY)))
            assert {answer.status for answer in answers} == {200}
        transport.close()

    asyncio.run(run())
    assert len(server.stop()) == 3 * MANY
    assert len(server.peers) == MANY + 1  # one more is how the server stops


def test_one_that_hangs_and_one_that_is_looked_up_in_vain_hold_nobody_up() -> None:
    hung = threading.Event()

    def hang(peer: Peer) -> None:
        hung.set()  # from now on it is the first one that hangs, and no other
        hanging(peer)

    server = RawServer(hang)

    async def run() -> None:
        transport = MultiTransport(f"http://127.0.0.1:{server.port}")
        nowhere = MultiTransport("http://nobody.invalid")
        hangs = asyncio.create_task(post(transport, "/hangs"))
        lost = asyncio.create_task(post(nowhere, timeout_ms=2_000))
        assert await asyncio.to_thread(hung.wait, PATIENCE_S)
        for number in range(20):
            assert (await post(transport, f"/{number}")).status == 200
        assert not hangs.done()
        hangs.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hangs
        with pytest.raises(NotSent):
            await lost
        transport.close()

    asyncio.run(run())
    server.stop()


def test_who_is_cancelled_resets_the_connection() -> None:
    server = RawServer(hanging)

    async def run() -> Peer:
        transport = MultiTransport(f"http://127.0.0.1:{server.port}")
        hangs = asyncio.create_task(post(transport))
        peer = await asyncio.to_thread(server.peer)
        while not server.requests:
            await asyncio.sleep(0)
        hangs.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hangs
        await asyncio.to_thread(peer.join, PATIENCE_S)
        assert (await post(transport)).status == 200
        transport.close()
        return peer

    assert asyncio.run(run()).ended_by == "ConnectionResetError"
    assert len(server.stop()) == 2


def test_who_is_cancelled_before_the_gate_opens_sends_nothing() -> None:
    server = RawServer(accepting=False)
    asked = []

    async def run() -> None:
        transport = MultiTransport(f"http://127.0.0.1:{server.port}")
        waits = asyncio.create_task(post(transport, may_send=lambda: not asked.append(1)))
        await asyncio.sleep(0)
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        transport.close()

    asyncio.run(run())
    server.accept()
    assert server.stop() == []
    assert asked == []


def test_connections_that_die_while_idle_together_cost_nothing() -> None:
    server = RawServer()

    async def run() -> None:
        transport = MultiTransport(f"http://127.0.0.1:{server.port}")
        await asyncio.gather(*(post(transport, "/warm") for _ in range(MANY)))
        peers = list(server.peers)
        for peer in peers:
            peer.hang_up()
        for peer in peers:
            await asyncio.to_thread(peer.join, PATIENCE_S)
        answers = await asyncio.gather(*(post(transport) for _ in range(MANY)))
        assert {answer.status for answer in answers} == {200}
        transport.close()

    asyncio.run(run())
    assert len(server.stop()) == 2 * MANY


def test_connections_that_die_unanswered_together_send_nothing_again() -> None:
    server = RawServer()

    async def run() -> None:
        transport = MultiTransport(f"http://127.0.0.1:{server.port}")
        await asyncio.gather(*(post(transport, "/warm") for _ in range(MANY)))
        server.turns = [Peer.hang_up] * MANY
        failures = await asyncio.gather(*(post(transport) for _ in range(MANY)), return_exceptions=True)
        assert [type(failure) for failure in failures] == [MaybeSent] * MANY
        transport.close()

    asyncio.run(run())
    assert len(server.stop()) == 2 * MANY


def test_a_libcurl_that_would_look_names_up_on_the_loop_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    about = list(pycurl.version_info())
    about[4] &= ~(1 << 7)
    monkeypatch.setattr(pycurl, "version_info", lambda: tuple(about))
    with pytest.raises(BadSettings, match="looks names up"):
        MultiTransport("http://h")
