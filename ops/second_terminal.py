"""What `make run` leaves for the `txn` command in a second terminal: `.txn/env`, for this user's eyes only."""

import os
from collections.abc import Mapping
from pathlib import Path

from txn.settings import Settings

#: What commands never need: users, secrets, and how the servers log.
_NOT_TOLD = {"admin_users", "admin_secret", "admin_session_hours", "metrics_token", "log_level", "log_format"}


def tell(folder: Path, environment: Mapping[str, str], port: int) -> None:
    """`port`: of the API."""
    names = [f"TXN_{name.upper()}" for name in Settings.model_fields if name not in _NOT_TOLD]
    lines = [f"{name}={environment[name]}\n" for name in names if name in environment]
    new = folder / "env.new"
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123
        file.writelines([*lines, f"TXN_PORT={port}\n"])
    new.replace(folder / "env")


def forget(folder: Path) -> None:
    """Nothing runs any more."""
    (folder / "env").unlink(missing_ok=True)
