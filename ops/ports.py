"""Free ports for servers that tests and demos start."""

import contextlib
import random
import socket

#: Below what systems give to outgoing connections: those would take a port between the choice and its use.
_RANGE = range(10_000, 32_000)
_TRIES = 100


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port nobody listens on right now; that somebody else draws the same before it is used is most unlikely."""
    for port in random.sample(_RANGE, _TRIES):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind((host, port))
            return port
    raise OSError(f"no free port among {_TRIES} from {_RANGE.start} to {_RANGE.stop}")
