"""Free ports for servers that tests and demos start."""

import contextlib
import os
import random
import re
import socket
from collections import deque

#: Below what systems give to outgoing connections: those would take a port between the choice and its use.
_RANGE = range(10_000, 32_000)
#: Processes that test at the same time draw from parts of their own; more than there are share them.
_PARTS = 8
_TRIES = 100
#: What this process was given lately, and may not yet listen on.
_given = deque[int](maxlen=500)


def _own_range() -> range:
    """Of a process of xdist a part, of any other one all."""
    if number := re.search(r"\d+$", os.environ.get("PYTEST_XDIST_WORKER", "")):
        size = len(_RANGE) // _PARTS
        begin = _RANGE.start + size * (int(number[0]) % _PARTS)
        return range(begin, begin + size)
    return _RANGE


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port nobody listens on right now; that somebody else draws the same before it is used is most unlikely."""
    own = _own_range()
    for port in random.sample(own, _TRIES):
        with contextlib.suppress(OSError), socket.socket() as probe:
            if port not in _given:
                probe.bind((host, port))
                _given.append(port)
                return port
    raise OSError(f"no free port among {_TRIES} from {own.start} to {own.stop}")
