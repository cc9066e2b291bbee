"""libcurl's multi interface on an asyncio event loop: it says which sockets and which timer to watch, we watch them."""

import asyncio

import pycurl

from txn.posting.sockets import open_sockets

#: libcurl's error and what it says of it; None if all went well.
Ending = tuple[int, str] | None

NEVER_S = float("inf")


class Transfers:
    """Any number of transfers on the running loop: asyncio's or uvloop's, not Windows's proactor."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended: dict[object, asyncio.Future[Ending]] = {}
        self._sockets = open_sockets()
        self._loop.add_reader(self._sockets.fileno(), self._on_ready)
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = self._due_s = NEVER_S
        self._soon = self._closed = False
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)

    def begin(self, curl: pycurl.Curl) -> "asyncio.Future[Ending]":
        """Begin with the transfer: how it ends. Whoever calls this calls `end` afterwards, whatever happens."""
        ended = self._ended[curl] = self._loop.create_future()
        self._multi.add_handle(curl)
        return ended

    def end(self, curl: pycurl.Curl) -> None:
        """It has ended, or ends now: then its handle must be closed."""
        del self._ended[curl]
        self._multi.remove_handle(curl)

    def close(self) -> bool:
        """Leave the loop, unless a transfer is on its way: whether it was done."""
        if self._ended:
            return False
        if self._timer is not None:
            self._timer.cancel()
        self._closed = True
        self._multi.close()
        self._loop.remove_reader(self._sockets.fileno())
        self._sockets.close()
        return True

    def _on_socket(self, what: int, descriptor: int, _multi: object, _data: object) -> None:
        self._sockets.watch(descriptor, 0 if what == pycurl.POLL_REMOVE else what)

    def _on_ready(self) -> None:
        for descriptor, events in self._sockets.ready():
            self._multi.socket_action(descriptor, events)
        self._read_endings()

    def _on_timer(self, timeout_ms: int) -> None:
        """libcurl moves its one timer with every request: it is set anew only if it would come too late."""
        if timeout_ms < 0:
            self._due_s = NEVER_S
        elif timeout_ms > 0:
            self._due_s = self._loop.time() + timeout_ms / 1000
            if self._due_s < self._timer_s:
                self._set_timer()
        elif not self._soon:  # not from within libcurl's callback
            self._soon = True
            self._loop.call_soon(self._now)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_s = self._due_s
        self._timer = self._loop.call_at(self._due_s, self._on_time)

    def _on_time(self) -> None:
        self._timer, self._timer_s = None, NEVER_S
        if self._due_s > self._loop.time() and self._due_s != NEVER_S:
            self._set_timer()
        elif self._due_s != NEVER_S:
            self._due_s = NEVER_S
            self._time_out()

    def _now(self) -> None:
        self._soon = False
        if not self._closed:
            self._time_out()

    def _time_out(self) -> None:
        self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        self._read_endings()

    def _read_endings(self) -> None:
        left = 1
        while left:
            left, went_well, failed = self._multi.info_read()
            for curl in went_well:
                self._end(curl, None)
            for curl, code, text in failed:
                self._end(curl, (code, text))

    def _end(self, curl: pycurl.Curl, ending: Ending) -> None:
        ended = self._ended.get(curl)
        if ended is not None and not ended.done():
            ended.set_result(ending)
