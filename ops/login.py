"""A user for the admin site, where nobody has named one."""

import secrets
from collections.abc import Mapping

from txn.password_hash import hash_password

NAME = "operator"


def new_login(environment: Mapping[str, str]) -> tuple[str, str] | None:
    """(password, the line for TXN_ADMIN_USERS) of `operator`; None: users were given."""
    if environment.get("TXN_ADMIN_USERS"):
        return None
    password = secrets.token_urlsafe(9)
    return password, f"{NAME}:operate:{hash_password(password)}"
