"""The trace that a transaction is part of, as W3C Trace Context has it: the header `traceparent`, version 00.

It is no content, and decides nothing.
"""

import re
from random import getrandbits

HEADER = "traceparent"
#: Of its flags: sampled, and that the trace's id is random. Others must not be passed on.
_KNOWN_FLAGS = 0x03
_is_traceparent = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII).fullmatch


def checked(text: str | None) -> str:
    """`text`, if it is a `traceparent`; else empty: then there is no trace."""
    return text if text and _is_traceparent(text) else ""


def trace_id(traceparent: str) -> str:
    """Its 32 hex digits; empty, if that is no `traceparent`."""
    return checked(traceparent)[3:35]


def next_hop(traceparent: str) -> str:
    """What a call on its behalf is sent with: of the same trace, as a span of its own."""
    flags = int(traceparent[53:], 16) & _KNOWN_FLAGS
    return f"{traceparent[:36]}{getrandbits(64) or 1:016x}-{flags:02x}"
