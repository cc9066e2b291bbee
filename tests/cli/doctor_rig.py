import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.cli.terminal import Result
from tests.parts import Parts

ALIVE = {"host": "h1", "pid": "7", "threads": "16", "version": "1", "started": "1", "processed": "3", "rate": "2.5"}

#: (status, headers, body) for (method, path, body of the request)
Answers = Callable[[str, str, bytes], tuple[int, dict[str, str], bytes]]


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        pass  # a caller that hangs up is no news


@contextmanager
def posting(answers: Answers) -> Iterator[str]:
    """A posting service that answers as the test says."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # an answer leaves in one piece, or its second half waits for an acknowledgement

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, answer = answers(self.command, self.path, body)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(answer))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def found(done: Result, check: str) -> dict[str, str]:
    """The worst finding of this name."""
    order = ["ok", "note", "warn", "bad"]
    return max(
        (one for one in done.json["findings"] if one["check"] == check), key=lambda one: order.index(one["level"])
    )


def alive(parts: Parts, clock_ms: int = 0, **about: str) -> None:
    now_ms = parts.read_statistics().now_ms
    parts.messages("one").heartbeat({**ALIVE, **about, "clock": now_ms + clock_ms})


def not_found(method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    return (200, {}, b"[]") if path == "/transactions" else (404, {}, b'{"detail":"unknown"}')
