"""An API that says what the test wants: for what the real one only does when it is ill."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Self

PENDING = (202, '{"transactionId": "a", "status": "pending", "submittedAt": "t", "completedAt": null, "error": null}')
BROKEN_PROXY = (502, "<html>Bad Gateway</html>")


class StubApi:
    """Every POST gets one answer, every GET another; `posts` counts."""

    def __init__(self, post: tuple[int, str], get: tuple[int, str] = BROKEN_PROXY) -> None:
        answers = {"POST": post, "GET": get}
        self.posts = 0
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                stub.posts += 1
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def do_GET(self) -> None:
                status, body = answers[self.command]
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
