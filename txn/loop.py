"""Something that is done again and again beside the work, while Redis comes and goes."""

import logging
import threading
from collections.abc import Callable

from txn.errors import StoreUnavailable

log = logging.getLogger(__name__)

#: Pause after Redis could not be reached.
UNAVAILABLE_S = 0.25
#: Pause after an error that nobody has foreseen: the loop must not end, and not flood the log.
UNKNOWN_S = 5.0


class Loop:
    """Calls `tick` until `stop`; it returns the seconds to the next, and may raise StoreUnavailable.

    That Redis is away is said by whoever watches it (`txn.readers.watch`, the API's `DurabilityMonitor`), not by
    everybody.
    """

    def __init__(self, name: str, tick: Callable[[], float]) -> None:
        self.name, self._tick = name, tick
        self._stop = threading.Event()

    def run(self) -> None:
        """To be called on a thread of its own."""
        pause_s = 0.0
        while not self._stop.wait(pause_s):
            try:
                pause_s = self._tick()
            except StoreUnavailable as error:
                log.debug("%s waits", self.name, extra={"detail": str(error)})
                pause_s = UNAVAILABLE_S
            except Exception:
                log.exception("%s goes on after an unexpected error", self.name)
                pause_s = UNKNOWN_S

    def start(self) -> threading.Thread:
        """Run on a thread of its own, which does not keep the process alive."""
        thread = threading.Thread(target=self.run, name=self.name, daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        """End `run` before its next tick."""
        self._stop.set()
