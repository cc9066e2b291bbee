"""`txn hash-password`: the hash for a user of the admin site."""

import sys

import typer

from txn.errors import Invalid
from txn.password_hash import MAX_PASSWORD, hash_password

MIN_PASSWORD = 8


def hash_command() -> None:
    """Ask for a password, twice, and print its hash.

    It goes into TXN_ADMIN_USERS as `name:role:hash`, one user a line; the role is view or operate.
    Without a terminal, the password is read as one line from standard input.

    [bold]txn hash-password[/]
    """
    password = _asked() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise Invalid("password", f"the password must have {MIN_PASSWORD} to {MAX_PASSWORD} characters")
    typer.echo(hash_password(password))


def _asked() -> str:
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
