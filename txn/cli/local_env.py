"""`.txn/env`: where a `make run` of this folder has put everything, for those who have set nothing themselves."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from txn.errors import BadSettings
from txn.settings import Settings

PATH = Path(".txn/env")
_NAMES = {f"TXN_{name.upper()}" for name in Settings.model_fields} | {"TXN_PORT"}


def local_env(environment: Mapping[str, str], path: Path = PATH) -> dict[str, str]:
    """The variables in the file. Nothing if there is none, or if any TXN_ variable is set: two sources would mix.

    Raises: BadSettings, if somebody else may have written it, or it cannot be read.
    """
    if any(name.startswith("TXN_") for name in environment):
        return {}
    try:
        with path.open(encoding="utf-8") as file:
            _check_owner(os.fstat(file.fileno()))
            lines = file.read().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise BadSettings(f"{path} cannot be read ({error}): remove it, or set TXN_REDIS_URL") from None
    found = dict(line.partition("=")[::2] for line in lines if line.strip() and not line.startswith("#"))
    if strange := sorted(found.keys() - _NAMES):
        raise BadSettings(f"{path} sets {strange[0]!r}, which is no setting: remove it; `make run` writes it anew")
    return found


def _check_owner(found: os.stat_result) -> None:
    """Whoever writes it decides where transactions go.

    Raises: BadSettings.
    """
    if found.st_uid not in (os.geteuid(), 0) or stat.S_IMODE(found.st_mode) & 0o022:
        raise BadSettings(f"{PATH} can be written by another user: remove it, or set TXN_REDIS_URL")
