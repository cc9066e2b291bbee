"""An API that answers as a test says, over a real socket."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

JSON = "application/json"


class Scripted(ThreadingHTTPServer):
    """`answers`: (status, headers, body) of each request in its turn, the last one again and again; None breaks off."""

    daemon_threads = True

    def __init__(self, *answers: tuple[int, dict[str, str], bytes] | None) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.answers, self.seen = list(answers), list[tuple[str, str, dict[str, str], bytes]]()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def next_answer(self) -> tuple[int, dict[str, str], bytes] | None:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class _Answering(BaseHTTPRequestHandler):
    server: Scripted
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        answer = self.server.next_answer()
        if answer is None:
            self.close_connection = True
            self.wfile.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 1000\r\n\r\n{")
            return
        status, headers, content = answer
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content)), "Content-Type": JSON} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def scripted(*answers: tuple[int, dict[str, str], bytes] | None) -> Iterator[Scripted]:
    with Scripted(*answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
