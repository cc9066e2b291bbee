"""When a thread's connection to the posting service must not be used again.

A name can move to another server while the old one stays up and answers: 503 to all, or 404, or a page. To the
connection that is an answer like any other, and it would live on for ever. So it is closed after an answer that speaks
of an outage, and after a bounded time whatever it has answered.
"""

import random
import time

from txn.posting.transport import Answer

#: What TXN_POSTING_CONNECTION_AGE_MS is by default.
MAX_AGE_MS = 60_000
#: Connections that were made together do not end together: each lasts from this part of the age to all of it.
_LEAST = 0.75

#: Sent elsewhere, or away: by a server that is not, or not now, the posting service. A 421 even says that the request
#: came over a connection that was made for another name.
_AWAY = frozenset({401, 403, 405, 407, 408, 421, 425, 429})
_GOOD = frozenset({200, 201})


class Lifetime:
    """Of one connection, from its making on."""

    def __init__(self, max_age_ms: int) -> None:
        self._end_s = time.monotonic() + max_age_ms / 1000 * random.uniform(_LEAST, 1)  # noqa: S311 - to spread
        self._over = False

    def saw(self, method: str, answer: Answer) -> None:
        """What was answered on it."""
        self._over = self._over or speaks_of_an_outage(method, answer)

    def is_over(self) -> bool:
        """Whether the next request needs a new one."""
        return self._over or time.monotonic() >= self._end_s


def speaks_of_an_outage(method: str, answer: Answer) -> bool:
    """Whether another server may be the one to ask. A GET's 404 in JSON, before each first POST, does not."""
    if answer.status in _GOOD or (answer.status == 404 and method == "GET"):
        return not _is_json(answer)
    return answer.status in _AWAY or 300 <= answer.status < 400 or answer.status >= 500 or answer.status == 404


def _is_json(answer: Answer) -> bool:
    if answer.body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
        return True
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower().endswith("json")
