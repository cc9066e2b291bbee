"""An API that answers as a test says, over a real socket."""

from tests.web_server import Answering, WebServer

JSON = "application/json"


class Scripted(WebServer):
    """`answers`: (status, headers, body) of each request in its turn, the last one again and again; None breaks off."""

    def __init__(self, *answers: tuple[int, dict[str, str], bytes] | None) -> None:
        super().__init__(_Answering)
        self.answers, self.seen = list(answers), list[tuple[str, str, dict[str, str], bytes]]()

    def next_answer(self) -> tuple[int, dict[str, str], bytes] | None:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class _Answering(Answering):
    server: Scripted

    def do_POST(self) -> None:
        self.server.seen.append((self.command, self.path, dict(self.headers), self.body()))
        answer = self.server.next_answer()
        if answer is None:
            self.close_connection = True
            self.wfile.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 1000\r\n\r\n{")
            return
        status, headers, content = answer
        self.answer(status, {"Content-Type": JSON} | headers, content)

    do_GET = do_POST
