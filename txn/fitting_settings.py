"""Which settings go together, and which values cannot work. Each check raises ValueError, naming the variable."""

import re

from txn.addresses import Networks
from txn.memory import limit_of

#: Characters of a secret that nobody guesses.
MIN_SECRET = 16

#: The first part in braces decides about a key's slot, unless it is empty.
_HASH_TAG = re.compile(r"[^{]*\{[^}]+\}")


def check_times(timeout_ms: int, margin_ms: int, lease_ms: int, doubt_window_ms: int) -> None:
    """Whether a delivery fits into a lease, and the doubt after it covers a call."""
    needed = 3 * timeout_ms + margin_ms
    if lease_ms < needed:
        raise ValueError(f"TXN_LEASE_MS={lease_ms} is too short: GET + margin + POST + GET may need {needed} ms")
    if doubt_window_ms < timeout_ms:
        raise ValueError(
            f"TXN_DOUBT_WINDOW_MS={doubt_window_ms} is shorter than TXN_POSTING_TIMEOUT_MS="
            f"{timeout_ms}: set it to how long after the deadline a POST may still be written"
        )


def check_backoff(min_ms: int, max_ms: int) -> None:
    """Whether the shortest pause is no longer than the longest."""
    if max_ms < min_ms:
        raise ValueError(f"TXN_MAX_BACKOFF_MS={max_ms} is less than TXN_MIN_BACKOFF_MS={min_ms}")


def check_secret(name: str, secret: str) -> None:
    """Whether nobody guesses it; there need not be one."""
    if 0 < len(secret) < MIN_SECRET:
        raise ValueError(f"{name} is too short: give at least {MIN_SECRET} random characters")


def check_one_of(name: str, value: str, other_name: str, other: str) -> None:
    """Whether not both are set."""
    if value and other:
        raise ValueError(f"{name} and {other_name} are both set: set one of them")


def check_networks(name: str, value: str, example: str) -> None:
    """Whether they are addresses and networks."""
    try:
        Networks(value.split(","))
    except ValueError:
        raise ValueError(f"{name} must be addresses or networks with commas between, {example}") from None


def check_memory(name: str, value: str) -> None:
    """Whether it is a size or a share."""
    try:
        limit_of(value, 0)
    except ValueError as error:
        raise ValueError(f"{name}={value!r}: {error}") from None


def check_spread(partitions: int, prefix: str, *, in_cluster: bool) -> None:
    """Whether all keys that a script needs are on one server."""
    if partitions & (partitions - 1):
        raise ValueError(f"TXN_PARTITIONS={partitions} is no power of two: use 1, 2, 4 ... 64, or leave it unset")
    if partitions and "{" in prefix:
        raise ValueError(
            f"TXN_PARTITIONS={partitions} does not go with TXN_PREFIX={prefix}: each partition has a name in braces of "
            "its own, so leave them out of the prefix"
        )
    if in_cluster and not partitions and not _HASH_TAG.match(prefix):
        raise ValueError(
            f"TXN_PREFIX={prefix!r} spreads our keys over a cluster: put a name in braces into it, as in "
            "{txn}:, so that all of them are in one slot"
        )
