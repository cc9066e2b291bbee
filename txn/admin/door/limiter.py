"""Failed logins, counted by name and by address, in the memory of one process: it works while Redis is away."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

WINDOW_S = 300
#: An office shares an address, and an attacker has many: so both are counted.
MAX_PER_NAME = 10
MAX_PER_ADDRESS = 20
#: Names and addresses that are remembered; the oldest are forgotten first.
MAX_REMEMBERED = 10_000


class LoginLimiter:
    """Refuses logins after too many failures within five minutes. Each API process counts for itself."""

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._failures: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, name: str, address: str, browser: str = "") -> int:
        """How long the next attempt has to wait; 0: it may be made now.

        `browser`: one from which this name has logged in before. It is counted by itself: what strangers do to the
        name, or others at the address, does not lock it out.
        """
        with self._lock:
            return max(self._wait(who, allowed) for who, allowed in _counted(name, address, browser))

    def failed(self, name: str, address: str, browser: str = "") -> None:
        """Count a wrong password or an unknown name."""
        with self._lock:
            for who, _ in _counted(name, address, browser):
                self._failures.setdefault(who, deque(maxlen=MAX_PER_ADDRESS)).append(self._monotonic_s())
                self._failures.move_to_end(who)
            while len(self._failures) > MAX_REMEMBERED:
                self._failures.popitem(last=False)

    def succeeded(self, name: str) -> None:
        """Somebody knows the password of this name: what was mistyped before does not count."""
        with self._lock:
            self._failures.pop(("name", name), None)

    def _wait(self, who: tuple[str, str], allowed: int) -> int:
        failures = self._failures.get(who, deque())
        while failures and self._monotonic_s() - failures[0] >= WINDOW_S:
            failures.popleft()
        if len(failures) < allowed:
            return 0
        return int(failures[-allowed] + WINDOW_S - self._monotonic_s()) + 1


def _counted(name: str, address: str, browser: str) -> list[tuple[tuple[str, str], int]]:
    if browser:
        return [(("browser", browser), MAX_PER_NAME)]
    return [(("name", name), MAX_PER_NAME), (("address", address), MAX_PER_ADDRESS)]
