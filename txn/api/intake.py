"""Who is let in with a submit: decided before anything of its body is read, and without asking anybody."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

import falcon

from txn.addresses import Networks, network_behind
from txn.errors import TooManySubmits
from txn.store.intake import IntakeMonitor

#: Clients that are remembered; whoever has not come for longest is forgotten first, and begins anew.
MAX_CLIENTS = 100_000


class Rates:
    """`per_second` submits of each client, and as many at once after a pause; 0: `Intake` does not ask. In the memory
    of one process: each API process counts for itself.
    """

    def __init__(self, per_second: int, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self.per_second, self._monotonic_s = per_second, monotonic_s
        #: When each client has used up what it may, if nothing more comes, in s.
        self._spent: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, client: str) -> float:
        """Take one submit of this client: 0; or how many seconds it must wait first, and nothing is taken."""
        step_s, now_s = 1 / self.per_second, self._monotonic_s()
        with self._lock:
            spent = max(self._spent.get(client, 0.0), now_s) + step_s
            if spent > now_s + max(1.0, step_s):
                return spent - now_s - max(1.0, step_s)
            self._spent[client] = spent
            self._spent.move_to_end(client)
            if len(self._spent) > MAX_CLIENTS:
                self._spent.popitem(last=False)
        return 0

    def charge(self, client: str, submits: int) -> None:
        """Take so many more, which are there already: what is too much, the next ones wait for."""
        with self._lock:
            self._spent[client] = self._spent.get(client, self._monotonic_s()) + submits / self.per_second


class Unlimited:
    """In place of `Intake`, where nothing is limited."""

    monitor = None

    def admit(self, request: falcon.Request) -> None:
        """Returns."""

    def charge(self, request: falcon.Request, submits: int) -> None:
        """Does nothing."""


UNLIMITED = Unlimited()


class Intake:
    """The limits of all, and those of each client."""

    def __init__(self, monitor: IntakeMonitor, rates: Rates, proxies: Networks) -> None:
        self.monitor, self._rates, self._proxies = monitor, rates, proxies

    def admit(self, request: falcon.Request) -> None:
        """Return if this submit is let in. Raises: TooManySubmits, Overloaded."""
        if self._rates.per_second and (wait_s := self._rates.wait_s(client_of(request, self._proxies))):
            self.monitor.refused("rate")
            raise TooManySubmits("this client sends more submits than it may: send them slower", wait_s)
        self.monitor.require()

    def charge(self, request: falcon.Request, submits: int) -> None:
        """Count so many submits more than the one that was let in: a batch's. They are let in, the next ones wait."""
        if self._rates.per_second:
            self._rates.charge(client_of(request, self._proxies), submits)


def client_of(request: falcon.Request, proxies: Networks) -> str:
    """Whom a request is counted for: the client of its API key, else its address, an IPv6 /64; behind a proxy of ours,
    the one that it has seen.
    """
    if name := request.context.caller.client:
        return f"client {name}"
    return network_behind(request.remote_addr or "", request.get_header("X-Forwarded-For"), proxies)
