"""What a receiver of callbacks does with one: verify it, and read it."""

import hmac
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from txn.client.answers import Transaction
from txn.client.errors import CallbackRefused, NotSigned, OutOfTime, WrongSignature
from txn.signatures import secret_bytes, signature

#: How far the clocks of both sides may differ, and how long a callback may be on its way.
TOLERANCE_S = 300
_NAME = re.compile(r"[!-~]{1,256}")
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
#: Signatures of one callback that are looked at: one for each secret while these are changed.
_MOST = 16


@dataclass(frozen=True, slots=True)
class Callback:
    """A callback that was verified. `id` is the same if it comes again: skip those that you have worked on.

    `type` is `transaction.completed` or `transaction.failed`. There may be other types later, with `data` of their own
    and no `transaction`.
    """

    id: str
    type: str
    at: datetime
    data: Mapping[str, Any]
    transaction: Transaction | None


def verify_callback(
    headers: Mapping[str, str],
    body: bytes,
    secrets: str | Sequence[str],
    *,
    tolerance_s: float = TOLERANCE_S,
    now_s: Callable[[], float] = time.time,
) -> Callback:
    """The callback, if it was signed with one of the `secrets` (`whsec_...`) not long ago. `body`: the bytes that came.

    Raises: NotSigned, WrongSignature, OutOfTime, CallbackRefused: do not believe it, and answer with 400; ValueError
    for a secret that is none.
    """
    keys = [secret_bytes(secret) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    if not keys:
        raise ValueError("secrets is empty: give the secret that you and the sender have")
    if not isinstance(body, bytes | bytearray | memoryview):
        raise TypeError("body is not bytes: give the request's body as it came, before anything has parsed it")
    name, timestamp_s, signatures = _signed(headers)
    content = bytes(body)
    # All of them, so that the time it takes says nothing.
    matches = [
        hmac.compare_digest(signature(key, name, timestamp_s, content).encode(), given.encode(errors="replace"))
        for key in keys
        for given in signatures
    ]
    if not any(matches):
        raise WrongSignature("no signature is right: the secret is another one, or the body is not as it was sent")
    if abs(now_s() - timestamp_s) > tolerance_s:
        raise OutOfTime(f"it was signed more than {tolerance_s:g} s ago or ahead: an old one, or a clock is wrong")
    return _read(name, content)


def _signed(headers: Mapping[str, str]) -> tuple[str, int, list[str]]:
    found = {str(name).lower(): str(value).strip() for name, value in headers.items()}
    name, timestamp, signatures = (found.get(f"webhook-{one}", "") for one in ("id", "timestamp", "signature"))
    if not _NAME.fullmatch(name) or not _SECONDS.fullmatch(timestamp) or not signatures:
        raise NotSigned("webhook-id, webhook-timestamp and webhook-signature must be there: it is not signed")
    return name, int(timestamp), signatures.split(" ")[:_MOST]


def _read(name: str, body: bytes) -> Callback:
    try:
        found = json.loads(body)
        kind, data = str(found["type"]), found["data"]
        transaction = Transaction.from_json(data) if kind.startswith("transaction.") else None
        return Callback(name, kind, datetime.fromisoformat(found["timestamp"]), data, transaction)
    except (KeyError, TypeError, ValueError, RecursionError):
        raise CallbackRefused("it is signed, and is no callback of txn") from None
