"""When a call is sent again: whatever was not answered, or was refused for now, always with the same key."""

import time
from typing import Any, Self

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import MaxRetryError, ResponseError
from urllib3.util import Retry

#: Answers that are not final: what was sent is sent again, and with the same key at most one transaction comes of it.
PASSING = (408, 425, 429, 500, 502, 503, 504)
#: Pauses grow up to this, in s; and so long a server's Retry-After is obeyed.
MAX_PAUSE_S, MAX_RETRY_AFTER_S = 2.0, 30.0


class Repeats(Retry):
    """urllib3's `Retry`, until `patience_s` have passed since the first failure."""

    patience_s = 0.0
    _failed_s: float | None = None

    @classmethod
    def patient(cls, patience_s: float) -> Self:
        """As patient as that."""
        found = cls(
            total=None,
            other=0,
            redirect=0,
            allowed_methods=None,
            status_forcelist=PASSING,
            backoff_factor=0.05,
            backoff_max=MAX_PAUSE_S,
            backoff_jitter=0.1,
            raise_on_status=False,
        )
        found.patience_s = patience_s
        return found

    def new(self, **changed: Any) -> Self:
        """See `Retry`."""
        found = super().new(**changed)
        found.patience_s, found._failed_s = self.patience_s, self._failed_s
        return found

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: Any = None,
        _stacktrace: Any = None,
    ) -> Self:
        """See `Retry`."""
        found = super().increment(method, url, response, error, _pool, _stacktrace)
        found._failed_s = time.monotonic() if self._failed_s is None else self._failed_s
        if time.monotonic() - found._failed_s >= self.patience_s:
            raise MaxRetryError(_pool, url or "", error or ResponseError("the answer was not final"))
        return found

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        """Seconds; a server that asks for a day is asked again before."""
        asked = super().get_retry_after(response)
        return None if asked is None else min(asked, MAX_RETRY_AFTER_S)
