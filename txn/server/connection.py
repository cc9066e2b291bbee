"""One client's connection: requests one after another, each answered before the next is read."""

import contextlib
import logging
import os
import socket
import time
from typing import Any

import gevent
from gevent import GreenletExit

from txn.server import head, request_id
from txn.server.answer import Wsgi, ask, refusal
from txn.server.body import MAX_LEFT_BYTES, Body
from txn.server.places import LIMIT_S, Turn
from txn.server.problem import Malformed
from txn.server.stream import Stream

log = logging.getLogger(__name__)

#: Behind an answer that ends the connection, so much is still read: a client must not see a reset before the answer.
_LAST_BYTES = 16 * 1024
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_TOO_SLOW = Malformed(408, "request_timeout", "the request did not come to its end in time")
_FAILED = Malformed(500, "internal", "an unexpected error; it was logged")


class Connection:
    """`environ`: the variables that all of its requests share. `greenlet` is to be started, and ends with it."""

    def __init__(self, client: Any, address: str, application: Wsgi, environ: dict[str, Any]) -> None:
        self.address, self.turn, self.since_s = address, Turn.IDLE, time.monotonic()
        self._socket, self._stream = client, Stream(client)
        self._application, self._environ = application, environ
        self._expects_continue = self._is_cut = False
        #: The answer that is being made is its last one.
        self.closes = False
        self.greenlet = gevent.Greenlet(self._run)

    def cut(self, *, overdue: bool) -> None:
        """Close it. Not for the middle of the application's work."""
        if overdue and self.turn in (Turn.HEAD, Turn.BODY):
            with contextlib.suppress(OSError):  # if it does not fit in, nobody reads
                os.write(self._socket.fileno(), refusal(_TOO_SLOW).encode("", keeps_alive=False))
        self._is_cut = True
        self.greenlet.kill(block=False)

    def close(self) -> None:
        """For when its greenlet has ended."""
        self._stream.close()
        self._socket.close()

    def _run(self) -> None:
        try:
            while self._stream.wait() and self._serve():
                self._enter(Turn.IDLE)
        except (OSError, GreenletExit):
            pass  # the client has gone, or had to go
        except Exception:
            log.exception("a connection ended in an unexpected error")

    def _serve(self) -> bool:
        """One request; whether another one may follow."""
        self._enter(Turn.HEAD)
        request_id.REQUEST_ID.set("")  # what is logged now is not about the request before
        try:
            found = self._stream.head()
            if not found:
                return False
            variables = head.parse(found)
            body = self._body(variables)
            self._enter(Turn.OURS)
            return self._answer(variables, body)
        except Malformed as error:
            request_id.begin()
            log.warning("a malformed request was refused", extra={"detail": error.code})
            self._send(refusal(error).encode("", keeps_alive=False))
            return self._say_goodbye()

    def _body(self, variables: dict[str, Any]) -> Body:
        expected = variables.get("HTTP_EXPECT")
        if expected is not None and expected.lower() != "100-continue":
            raise Malformed(417, "expectation_failed", "Expect must be 100-continue, or left out")
        self._expects_continue = expected is not None and variables["SERVER_PROTOCOL"] != "HTTP/1.0"
        return Body(self._stream, head.body_length(variables), self._enter_body)

    def _answer(self, variables: dict[str, Any], body: Body) -> bool:
        method = variables["REQUEST_METHOD"]
        try:
            answer = ask(self._application, variables | self._environ | {"wsgi.input": body})
            goes_on = not self.closes and head.keeps_alive(variables) and self._can_be_skipped(body)
            encoded = answer.encode(method, keeps_alive=goes_on)
        except Malformed:
            raise
        except Exception:
            log.exception("the application failed")
            goes_on, encoded = False, refusal(_FAILED).encode(method, keeps_alive=False)
        self._send(encoded)
        if goes_on:
            return self._skip(body)
        return self._say_goodbye() if body.left != 0 or not self._stream.is_empty else False

    def _skip(self, body: Body) -> bool:
        if body.left:
            self._enter(Turn.BODY)
            try:
                body.skip()
            except Malformed:  # its request is answered already
                return False
        return True

    def _can_be_skipped(self, body: Body) -> bool:
        left = body.left
        return left == 0 or (left is not None and left <= MAX_LEFT_BYTES and not self._expects_continue)

    def _enter_body(self, turn: Turn) -> None:
        if turn is Turn.BODY and self._expects_continue:
            self._expects_continue = False
            if self._stream.is_empty:
                self._socket.sendall(_CONTINUE)
        self._enter(turn)

    def _send(self, answer: bytes) -> None:
        self._enter(Turn.WRITE)
        self._socket.sendall(answer)

    def _say_goodbye(self) -> bool:
        self._enter(Turn.CLOSING)
        self._socket.shutdown(socket.SHUT_WR)
        if self._stream.drop(_LAST_BYTES):
            gevent.sleep(LIMIT_S[Turn.CLOSING])
        return False

    def _enter(self, turn: Turn) -> None:
        if self._is_cut and turn is Turn.OURS:
            raise GreenletExit  # what it waited for has come before the end that it was given; now nothing must begin
        self.turn, self.since_s = turn, time.monotonic()
