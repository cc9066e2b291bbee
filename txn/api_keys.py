"""The API's keys as TXN_API_KEYS and its file hold them: who may use the API, and what for.

A key is 256 random bits, so its plain SHA-256 gives nothing away: there is nothing to guess and to try out, which is
what a slow hash is against. A slow one would cost more than the whole submit.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Self

from txn.errors import BadSettings

#: The client to whom belongs what was submitted without keys, so that keys can be switched on while clients repeat.
DEFAULT_CLIENT = "default"

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FORM = "client:roles:sha256:date, as `txn keys create` writes it"
#: Leading bytes of a digest by which a key is found; they are no secret.
_START = 8


class Role(StrEnum):
    """What a key may be used for."""

    SUBMIT = "submit"  #: hand transactions in, and cancel them
    READ = "read"  #: ask about the client's own transactions
    OPERATE = "operate"  #: see those of all clients, health and metrics, and do what operators do


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request. `client` is empty for the one without a name."""

    client: str
    roles: frozenset[Role]

    def may(self, needed: Role) -> bool:
        """Whether one of the roles is enough. Who operates may read everything."""
        return needed in self.roles or (needed is Role.READ and Role.OPERATE in self.roles)

    @property
    def sees(self) -> str | None:
        """Whose transactions; None: everybody's."""
        return None if Role.OPERATE in self.roles else self.client


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One line. `name` is how the key is called in the file; it has no digest in its representation."""

    name: str
    caller: Caller
    made: str
    digest: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """By which `txn keys` calls it."""
        return self.digest.hex()[:12]

    def line(self) -> str:
        """As it stands in the file."""
        return ":".join([self.name, ",".join(sorted(self.caller.roles)), self.digest.hex(), self.made])


class KeyRing:
    """All keys; there may be several of one client."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self.keys = list(keys)
        self._by_start = {key.digest[:_START]: key for key in self.keys}

    @classmethod
    def parse(cls, text: str, place: str) -> Self:
        """`text`: the lines; empty ones and those with `#` in front do not count. `place`: where they are from.

        Raises: BadSettings, naming the line, never a digest.
        """
        keys: dict[bytes, ApiKey] = {}
        for where, line in _lines(text, place):
            key = _key(where, line)
            if keys.setdefault(key.digest[:_START], key) is not key:
                raise BadSettings(f"{where}: this key is there already: remove one of the lines")
        return cls(keys.values())

    def find(self, token: str) -> Caller | None:
        """Who has this key, compared in constant time."""
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        key = self._by_start.get(digest[:_START])
        return key.caller if key is not None and hmac.compare_digest(key.digest, digest) else None


def new_key(name: str, roles: Iterable[Role], today: date) -> tuple[str, ApiKey]:
    """(the key, which nobody can find out again, its line). Raises: BadSettings."""
    token = f"txn_{secrets.token_urlsafe(32)}"
    return token, _made(name, roles, today.isoformat(), hashlib.sha256(token.encode()).digest(), "the client")


def _lines(text: str, place: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if (line := line.strip()) and not line.startswith("#"):
            yield f"{place} line {number}", line


def _key(where: str, line: str) -> ApiKey:
    name, roles, digest, made = (*line.split(":"), "", "", "")[:4]
    if not _DIGEST.fullmatch(digest):
        raise BadSettings(f"{where}: this is no key's SHA-256 in 64 hex digits; the line is {_FORM}")
    names = [role.strip() for role in roles.split(",")]
    if not set(names) <= set(Role):
        raise BadSettings(f"{where}: the roles must be submit, read or operate; the line is {_FORM}")
    return _made(name, map(Role, names), made, bytes.fromhex(digest), where)


def _made(name: str, roles: Iterable[Role], made: str, digest: bytes, where: str) -> ApiKey:
    if not _NAME.fullmatch(name):
        raise BadSettings(f"{where}: the client's name must be 1 to 64 of A-Z a-z 0-9 . _ -; the line is {_FORM}")
    client = "" if name == DEFAULT_CLIENT else name
    return ApiKey(name, Caller(client, frozenset(roles)), made, digest)
