"""Signatures of callbacks, as Standard Webhooks has them (https://www.standardwebhooks.com): for both sides.

The package `standardwebhooks` is not used: its verification raises whatever a strange header leads to, and parses money
as floats. What is left of it is an HMAC; a test verifies ours with that package.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets

PREFIX = "whsec_"
#: Bytes of a secret.
SHORTEST, LONGEST = 24, 64
_NAMED = "whsec_ and 24 to 64 bytes in base64, as `txn callbacks secret` makes one"
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}", re.ASCII)


def new_secret() -> str:
    """256 random bits."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def secret_bytes(text: str) -> bytes:
    """Raises: ValueError, which shows nothing of it."""
    encoded = text.removeprefix(PREFIX)
    try:
        found = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if not text.startswith(PREFIX) or not _BASE64.fullmatch(encoded) or not SHORTEST <= len(found) <= LONGEST:
        raise ValueError(f"a secret must be {_NAMED}")
    return found


def signature(secret: bytes, name: str, timestamp_s: int, body: bytes) -> str:
    """`v1,<base64>` of one secret; several stand in the header with spaces between."""
    signed = f"{name}.{timestamp_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
