"""Passwords of the admin site as TXN_ADMIN_USERS holds them: argon2id, as argon2-cffi recommends it."""

from argon2 import PasswordHasher

#: Beyond this nobody types, and hashing it would be work for free.
MAX_PASSWORD = 1024


def hash_password(password: str) -> str:
    """The hash for a line of TXN_ADMIN_USERS."""
    return PasswordHasher().hash(password)
