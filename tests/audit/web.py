from collections.abc import Callable, Iterable

from tests.web_server import Answering, WebServer

#: status, body in pieces (None: the connection is cut here)
Answer = tuple[int, Iterable[bytes | None]]


class StubPosting(WebServer):
    """Answers each path as the test says, in chunks, or cuts the connection."""

    def __init__(self) -> None:
        super().__init__(_Chunked)
        self.answers: dict[str, Callable[[], Answer]] = {}
        self.default: Callable[[str], Answer] = lambda _path: (404, [b'{"detail": "not found"}'])
        self.headers: dict[str, str] = {}
        self.sent_headers: dict[str, str] = {}
        self.asked: list[str] = []


class _Chunked(Answering):
    server: StubPosting
    wbufsize = 0

    def do_GET(self) -> None:
        stub = self.server
        stub.asked.append(self.path)
        stub.headers = dict(self.headers)
        status, pieces = stub.answers[self.path]() if self.path in stub.answers else stub.default(self.path)
        self.send_response(status)
        chunked = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
        for name, value in (chunked | stub.sent_headers).items():
            self.send_header(name, value)
        self.end_headers()
        for piece in pieces:
            if piece is None:
                self.close_connection = True
                return
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")
