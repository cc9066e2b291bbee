"""Ids of transactions, and the idempotency keys that they can be made of."""

import os
import re
import uuid

from txn.errors import Invalid

#: A client's own id, and the id in a path. The two that a path takes for something else are none.
_ID = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._:-]{1,64}", re.ASCII)
_UUID_5 = re.compile(r"[0-9a-f]{12}5[0-9a-f]{19}")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
ID_SCHEMA = {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,64}$", "not": {"enum": [".", ".."]}}

KEY_HEADER = "Idempotency-Key"

_NAMESPACE = uuid.UUID("6f1c52b8-7d0e-5b8e-9d3a-3f0a6c0b7e11")


def checked_id(text: str) -> str:
    """`text`, if it can be a transaction's id.

    Raises: Invalid.
    """
    if not _ID.fullmatch(text):
        raise Invalid("id", "must be 1 to 64 of the characters A-Z a-z 0-9 . _ : - and neither . nor ..")
    return text


def checked_key(text: str) -> str:
    """`text`, if it can be an idempotency key.

    Raises: Invalid.
    """
    if not _KEY.fullmatch(text):
        raise Invalid(KEY_HEADER, "must be 1 to 255 visible ASCII characters")
    return text


def id_for_key(key: str, client: str = "") -> str:
    """The transaction id that a client's idempotency key stands for: the same for ever, even if Redis was lost."""
    # The length of the name in front: no name and key together are those of another client.
    return str(uuid.uuid5(_NAMESPACE, f"{len(client)}:{client}:{key}"))


def is_version_5(own_id: str) -> bool:
    """In any form that a database may take for one: whoever knows another's key could take its id before him."""
    return bool(_UUID_5.fullmatch(own_id.replace("-", "").lower()))


def named(own_id: str | None, key: str | None, client: str) -> tuple[str, str]:
    """A new transaction's id, and where it comes from: see `Submission.named_by`."""
    if own_id is not None:
        return own_id, "id"
    if key is not None:
        return id_for_key(key, client), "key"
    return random_id(), "random"


def random_id() -> str:
    """A UUID of version 4, as `uuid.uuid4` makes them: that takes twice as long, a tenth of a submission in a batch."""
    digits = os.urandom(16).hex()
    variant = "89ab"[int(digits[16], 16) % 4]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
