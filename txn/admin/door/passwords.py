"""Passwords: argon2id with the parameters that argon2-cffi recommends."""

import threading
from collections.abc import Mapping

import gevent
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from txn.admin.door.users import User
from txn.password_hash import MAX_PASSWORD

#: Logins that are looked at in one process, the one that is being hashed included: about 50 ms of CPU each.
MAX_WAITING = 3


class Busy(Exception):
    """Too many logins at once: this one was not looked at."""


class Passwords:
    """Compares passwords, one at a time, so that logins leave the processor to submits."""

    def __init__(self, users: Mapping[str, User]) -> None:
        self._users = users
        self._places = threading.BoundedSemaphore(MAX_WAITING)
        self._one = threading.Lock()

    def user(self, name: str, password: str) -> User | None:
        """The user with this name and password. An unknown name takes as long as a wrong password.

        Raises: Busy.
        """
        if not self._places.acquire(blocking=False):
            raise Busy
        try:
            with self._one:
                return self._compare(name, password)
        finally:
            self._places.release()

    def _compare(self, name: str, password: str) -> User | None:
        known = self._users.get(name)
        against = known or next(iter(self._users.values()))
        # On a thread of its own, which the API's greenlets do not wait for.
        pool = gevent.get_hub().threadpool
        right = len(password) <= MAX_PASSWORD and pool.apply(_verifies, (against.password_hash, password))
        return known if right else None


def _verifies(password_hash: str, password: str) -> bool:
    try:
        return PasswordHasher().verify(password_hash, password)
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False
