"""The people who may log in: `TXN_ADMIN_USERS`, one `name:role:hash` a line."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from argon2 import extract_parameters
from argon2.exceptions import InvalidHashError

from txn.errors import BadSettings

_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_FORM = "name:role:hash, with a hash from `python -m txn hash-password`"


class Role(StrEnum):
    """What a user may do. OPERATE includes VIEW."""

    VIEW = "view"  #: looks; payloads are masked
    OPERATE = "operate"  #: sees everything, replays and discards

    def includes(self, needed: "Role") -> bool:
        """Whether this role is enough where `needed` is asked for."""
        return self is Role.OPERATE or self is needed


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with a password. The hash is in no representation of the user."""

    name: str
    role: Role
    password_hash: str = field(repr=False, default="")

    @property
    def may_operate(self) -> bool:
        """Whether the user may change something and see payloads."""
        return self.role is Role.OPERATE


def read_users(text: str) -> dict[str, User]:
    """The users of `TXN_ADMIN_USERS`: the lines themselves, or `@/path/to/file` with the lines in it.

    Empty lines and lines that begin with `#` do not count. No users: no admin site.
    Raises: BadSettings, naming the line; never the hash.
    """
    users: dict[str, User] = {}
    for place, line in _lines(text.strip()):
        user = _user(place, line)
        if user.name in users:
            raise BadSettings(f"{place}: there is a user of this name already: remove one of the lines")
        users[user.name] = user
    return users


def _lines(text: str) -> Iterator[tuple[str, str]]:
    place = "TXN_ADMIN_USERS"
    if text.startswith("@"):
        place, text = f"{place} ({text})", _content(text[1:])
    for number, line in enumerate(text.splitlines(), 1):
        if (line := line.strip()) and not line.startswith("#"):
            yield f"{place} line {number}", line


def _content(path: str) -> str:
    try:
        return Path(path).read_text()
    except UnicodeDecodeError:
        raise BadSettings(f"TXN_ADMIN_USERS=@{path}: the file is not text in UTF-8") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise BadSettings(f"TXN_ADMIN_USERS=@{path}: the file cannot be read ({why})") from None


def _user(place: str, line: str) -> User:
    name, role, password_hash = (*line.split(":", 2), "", "")[:3]
    if not _NAME.fullmatch(name):
        raise BadSettings(f"{place}: the name must be 1 to 64 of A-Z a-z 0-9 . _ @ -; the line is {_FORM}")
    if role not in list(Role):
        raise BadSettings(f"{place}: the role must be view or operate; the line is {_FORM}")
    try:
        extract_parameters(password_hash)
    except InvalidHashError:
        raise BadSettings(f"{place}: this is not a password hash; the line is {_FORM}") from None
    return User(name, Role(role), password_hash)
