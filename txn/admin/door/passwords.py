"""Passwords: argon2id with the parameters that argon2-cffi recommends."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import gevent
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from txn.admin.door.users import User
from txn.password_hash import MAX_PASSWORD

#: Logins that are looked at in one process, the one that is being hashed included: about 50 ms of CPU each.
MAX_WAITING = 3
#: After a stranger's password was hashed, so many times as long nobody else's is: a quarter of a core for all of them.
REST = 3


class Busy(Exception):
    """Too many logins at once: this one was not looked at."""


class Passwords:
    """Compares passwords, one at a time, so that logins leave the processor to submits.

    Browsers from which somebody has logged in before have a lane for themselves, which strangers cannot fill.
    """

    def __init__(self, users: Mapping[str, User]) -> None:
        self._users = users
        self._strangers, self._known = _Lane(REST), _Lane(0)

    def user(self, name: str, password: str, address: str = "", *, known: bool = False) -> User | None:
        """The user with this name and password. An unknown name takes as long as a wrong password.

        Raises: Busy. One `address` has one login at a time.
        """
        with (self._known if known else self._strangers).place(address):
            return self._compare(name, password)

    def _compare(self, name: str, password: str) -> User | None:
        known = self._users.get(name)
        against = known or next(iter(self._users.values()))
        # On a thread of its own, which the API's greenlets do not wait for.
        pool = gevent.get_hub().threadpool
        right = len(password) <= MAX_PASSWORD and pool.apply(_verifies, (against.password_hash, password))
        return known if right else None


class _Lane:
    """`rest`: for how many times as long as one has taken the next has to wait."""

    def __init__(self, rest: float) -> None:
        self._rest, self._next_s = rest, 0.0
        self._waiting: set[str] = set()
        self._one, self._lock = threading.Lock(), threading.Lock()

    @contextmanager
    def place(self, address: str) -> Iterator[None]:
        """Raises: Busy."""
        with self._lock:
            if address in self._waiting or len(self._waiting) >= MAX_WAITING:
                raise Busy
            self._waiting.add(address)
        try:
            with self._one:
                time.sleep(max(0.0, self._next_s - time.monotonic()))
                began_s = time.monotonic()
                yield
                took_s = time.monotonic() - began_s
                self._next_s = began_s + took_s * (1 + self._rest)
        finally:
            self._waiting.discard(address)


def _verifies(password_hash: str, password: str) -> bool:
    try:
        return PasswordHasher().verify(password_hash, password)
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False
