"""The moment before the first byte of a request: passed at most once per call, by either transport.

The gate asks for the last check; txn/delivery/rules.py (`_last_check`) answers.

Whether a failed call may have been read follows from this. A gate that never opened proves that nothing left. Behind an
open gate every failure is `MaybeSent`, because what a library counts as sent is no proof: libcurl's REQUEST_SIZE is
still 0 when whole TLS records of a request have left and the next one blocks.
"""

import struct
from collections.abc import Callable

from txn.clock import boot_ms
from txn.posting.transport import MaybeSent, NotSent, Withheld

#: SO_LINGER (on, 0 s): closing resets, and the kernel throws away what it would else deliver later.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Gate:
    """One call's deadline and last check. `may_send` is asked at most once, whatever the library below tries."""

    __slots__ = ("_asked", "_deadline_ms", "_may_send", "_note", "_opened", "_raised", "_timeout_ms", "_withheld")

    def __init__(self, may_send: Callable[[], bool], timeout_ms: int) -> None:
        self._may_send, self._timeout_ms = may_send, timeout_ms
        self._deadline_ms = boot_ms() + timeout_ms
        self._asked = self._opened = self._withheld = False
        self._note = ""
        self._raised: BaseException | None = None

    def opens(self) -> bool:
        """Whether the request may be sent now: True at most once per call.

        What `may_send` raises is kept for `failure`: the layers it would pass through may swallow or wrap it.
        """
        if self._asked:
            self._note = self._note or "the connection died without an answer"
            return False
        self._asked = True
        try:
            self._withheld = not self._may_send()
        except BaseException as error:  # noqa: BLE001 - raised again, once the library has closed the connection
            self._raised = error
            return False
        if self._withheld:
            return False
        # The last check may have been a long pause (a frozen host): past its deadline a request is not begun.
        self._opened = boot_ms() < self._deadline_ms
        if not self._opened:
            self._note = self._late()
        return self._opened

    def left_s(self) -> float:
        """Seconds until the deadline, more than 0. Raises: TimeoutError."""
        left = self._deadline_ms - boot_ms()
        if left <= 0:
            raise TimeoutError(self._late())
        return left / 1000

    def failure(self, reason: str, sent: bool = False) -> BaseException:
        """What a call that brought no answer must raise; `sent`: the library says that bytes of the request left."""
        if self._raised is not None:
            return self._raised
        text = one_line(self._note or reason)
        if self._opened or sent:
            return MaybeSent(text)
        return Withheld("withheld by the last check") if self._withheld else NotSent(text)

    def _late(self) -> str:
        return f"deadline of {self._timeout_ms} ms passed"


def one_line(text: str) -> str:
    """The text without line breaks, and no longer than a log line should be."""
    return " ".join(text.split())[:200]
