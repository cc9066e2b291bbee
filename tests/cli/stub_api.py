"""An API that says what the test wants: for what the real one only does when it is ill."""

from tests.web_server import Answering, WebServer

PENDING = (202, '{"transactionId": "a", "status": "pending", "submittedAt": "t", "completedAt": null, "error": null}')
BROKEN_PROXY = (502, "<html>Bad Gateway</html>")


class StubApi(WebServer):
    """Every POST gets one answer, every GET another; `posts` counts."""

    def __init__(self, post: tuple[int, str], get: tuple[int, str] = BROKEN_PROXY) -> None:
        super().__init__(_Stub)
        self.posts, self.answers = 0, {"POST": post, "GET": get}


class _Stub(Answering):
    server: StubApi

    def do_GET(self) -> None:
        self.body()
        status, text = self.server.answers[self.command]
        self.answer(status, body=text.encode())

    def do_POST(self) -> None:
        self.server.posts += 1
        self.do_GET()
