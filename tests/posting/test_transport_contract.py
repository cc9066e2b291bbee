import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from ops.ports import free_port
from tests.posting.conftest import BODY, Wires
from tests.posting.on_a_loop import OnALoop
from tests.posting.raw_server import Peer, answer, saying
from txn.errors import BadSettings
from txn.posting.endpoint import Endpoint
from txn.posting.transport import MAX_ANSWER_BYTES, NotSent

STATUSES = [200, 201, 202, 204, 301, 302, 307, 308, 400, 401, 404, 409, 417, 422, 425, 429, 500, 502, 503, 504]
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("status", STATUSES)
def test_a_complete_answer_of_any_status_is_an_answer(wires: Wires, status: int) -> None:
    headers = ["Location: /base/elsewhere", "WWW-Authenticate: Basic", "Retry-After: 7"]
    body = b"" if status == 204 else b'{"said": 1}'
    wire = wires.connect(saying(answer(status, body, *headers)))
    found = wire.post()
    assert (found.status, found.body, found.headers["retry-after"]) == (status, body, "7")
    assert len(wire.arrived()) == 1


def test_header_names_are_lower_case_and_the_last_value_counts(wires: Wires) -> None:
    wire = wires.connect(saying(answer(200, b"", "X-A: first", "x-a:  last ", "X-B:")))
    headers = wire.get().headers
    assert (headers["x-a"], headers["x-b"]) == ("last", "")


def test_the_request_arrives_as_it_was_given(wires: Wires) -> None:
    wire = wires.connect()
    wire.post(headers={"Idempotency-Key": "k:1", "Content-Type": "application/json"})
    head, _, body = wire.arrived()[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /base/transactions HTTP/1.1"
    assert {b"Idempotency-Key: k:1", b"Content-Type: application/json", b"User-Agent: txn"} < set(lines)
    assert body == BODY


GET_HEADERS = {"Accept": "application/json", "Cache-Control": "no-cache"}


def test_no_request_carries_the_headers_of_the_one_before_it(wires: Wires) -> None:
    wire = wires.connect()
    keyed = [{"X-Key": key} for key in "123"]
    sent = [GET_HEADERS, keyed[0], GET_HEADERS, GET_HEADERS, keyed[1], keyed[2], dict(GET_HEADERS), {}]
    for headers in sent:
        wire.get(headers=headers)
    for headers, request in zip(sent, wire.arrived(), strict=True):
        lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")
        found = dict(line.split(": ", 1) for line in lines if line.startswith(("X-Key", "Cache-Control")))
        assert found == {name: value for name, value in headers.items() if name != "Accept"}


def test_headers_that_cannot_be_sent_are_not_taken_for_those_that_were(wires: Wires) -> None:
    wire = wires.connect()
    wire.get(headers=GET_HEADERS)
    broken = {"X-Key": "a\r\nb"}
    for headers in (broken, broken):
        wire.fails(NotSent, partial(wire.get, headers=headers))
    wire.get(headers=GET_HEADERS)
    assert [b"\r\nCache-Control: no-cache\r\n" in request for request in wire.arrived()] == [True, True]


def test_nothing_is_added_that_changes_what_the_request_means(wires: Wires) -> None:
    wire = wires.connect()
    wire.post(body=b"x" * 100_000)
    lines = wire.arrived()[0].partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
    names = {line.partition(b":")[0] for line in lines[1:]}
    assert names <= {b"host", b"user-agent", b"authorization", b"accept", b"accept-encoding", b"content-length"}
    assert b"accept-encoding: identity" in lines


def test_a_post_without_a_body_says_so(wires: Wires) -> None:
    wire = wires.connect()
    wire.post(body=None)
    assert b"\r\ncontent-length: 0\r\n" in wire.arrived()[0].lower()


@pytest.mark.parametrize(
    "path", ["/transactions/..", "/transactions/.", "/a/../b", "/a%2E%2Eb", "/a:b~c", "/a//b", "/?q=1"]
)
def test_the_path_is_sent_as_it_is(wires: Wires, path: str) -> None:
    wire = wires.connect()
    assert wire.get(path).body.decode() == f"/base{path}"


def test_credentials_of_the_url_are_sent_decoded_as_basic(wires: Wires) -> None:
    wire = wires.connect()
    wire.get()
    assert b"\r\nAuthorization: Basic Y2xlcms6czNjcmV0QHdvcmQ=\r\n" in wire.arrived()[0]


def test_credentials_of_the_url_are_nowhere_to_be_shown() -> None:
    endpoint = Endpoint.parse("http://clerk:s3cret@h:81/base/")
    assert endpoint.url == "http://h:81/base"
    assert "s3cret" not in repr(endpoint)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://h/",
        "h",
        "http://",
        "http://:80/",
        "http://clerk:s3#cret@h/",
        "http://clerk:s3/cret@h",
        "http://h:x/",
        "http://h/?q",
        "http://h a/",
    ],
)
def test_a_url_that_cannot_work_is_refused_without_quoting_it(wires: Wires, url: str) -> None:
    with pytest.raises(BadSettings) as caught:
        wires.kind(url)
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "body"),
    [
        (OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", b"abcde"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + answer(200, b"abc"), b"abc"),
        (b"HTTP/1.0 200\r\nContent-Length: 1\r\n\r\na", b"a"),
    ],
)
def test_a_body_is_read_whole(wires: Wires, said: bytes, body: bytes) -> None:
    assert wires.connect(saying(said)).get().body == body


def test_a_body_without_a_length_ends_with_the_connection(wires: Wires) -> None:
    def turn(peer: Peer) -> None:
        peer.say([OK + b"\r\nabc"])
        peer.hang_up()

    assert wires.connect(turn).get().body == b"abc"


def test_the_largest_body_allowed_is_an_answer(wires: Wires) -> None:
    assert len(wires.connect(saying(answer(200, b"x" * MAX_ANSWER_BYTES))).get().body) == MAX_ANSWER_BYTES


def test_trailers_are_no_headers(wires: Wires) -> None:
    said = OK + b"Transfer-Encoding: chunked\r\nRetry-After: 1\r\n\r\n0\r\nRetry-After: 9\r\n\r\n"
    assert wires.connect(saying(said)).get().headers["retry-after"] == "1"


def test_a_transport_can_be_used_again_after_it_was_closed(wires: Wires) -> None:
    wire = wires.connect()
    wire.get()
    wire.transport.close()
    assert wire.get().status == 200


def test_a_connection_that_was_closed_while_idle_is_noticed(wires: Wires) -> None:
    wire = wires.connect(reused=True)
    peer = wire.server.peer()
    peer.hang_up()
    peer.join()
    assert wire.post().status == 200
    assert len(wire.arrived()) == 1


def test_what_follows_an_answer_is_not_taken_for_the_next_one(wires: Wires) -> None:
    wire = wires.connect(
        saying(answer(404) + answer(200, b"stray")), saying(answer(503, b"mine")), saying(answer(503, b"mine"))
    )
    wire.get()
    assert wire.get().body == b"mine"


def test_a_stray_answer_is_not_taken_for_the_next_one(wires: Wires) -> None:
    wire = wires.connect(reused=True)
    peer = wire.server.peer()
    peer.say([answer(200, b"stray")])
    assert wire.get("/mine").body == b"/base/mine"
    assert len(wire.arrived()) == 1


def test_cookies_are_not_kept(wires: Wires) -> None:
    wire = wires.connect(saying(answer(200, b"", "Set-Cookie: a=b; Path=/")))
    wire.get()
    wire.get()
    assert b"cookie" not in wire.arrived()[1].lower()


def test_proxies_of_the_environment_are_not_used(wires: Wires, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    assert wires.connect().get().status == 200


def test_threads_get_their_own_answers_over_their_own_connections(wires: Wires) -> None:
    wire = wires.connect()
    all_here = threading.Barrier(8)

    def run(thread: int) -> list[str]:
        all_here.wait()
        paths = [f"/t/{thread}/{call}" for call in range(20)]
        found = [wire.post(path).body.decode() for path in paths]
        wire.transport.close()
        assert found == [f"/base{path}" for path in paths]
        return paths

    with ThreadPoolExecutor(8) as pool:
        sent = [path for paths in pool.map(run, range(8)) for path in paths]
    arrived = [request.split(b" ")[1].decode().removeprefix("/base") for request in wire.arrived()]
    assert sorted(arrived) == sorted(sent)
    if wires.kind is not OnALoop:  # there, a thread that closes its connections closes other threads' idle ones
        assert len(wire.server.peers) == 8 + 1  # one more is how the server stops
