import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

#: status, body in pieces (None: the connection is cut here)
Answer = tuple[int, Iterable[bytes | None]]


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        pass  # a caller that hangs up is no news


class StubPosting:
    """Answers each path as the test says, in chunks, or cuts the connection."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[], Answer]] = {}
        self.default: Callable[[str], Answer] = lambda _path: (404, [b'{"detail": "not found"}'])
        self.headers: dict[str, str] = {}
        self.sent_headers: dict[str, str] = {}
        self.asked: list[str] = []
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                stub.asked.append(self.path)
                stub.headers = dict(self.headers)
                if self.path in stub.answers:
                    status, pieces = stub.answers[self.path]()
                else:
                    status, pieces = stub.default(self.path)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Transfer-Encoding", "chunked")
                for name, value in stub.sent_headers.items():
                    self.send_header(name, value)
                self.end_headers()
                for piece in pieces:
                    if piece is None:
                        self.close_connection = True
                        return
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.write(b"0\r\n\r\n")

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
