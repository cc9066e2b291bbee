"""The Lua scripts: each is run as one atomic call. Called through `Database.run`, which makes their errors ours."""

import functools
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import redis

from txn.store.commands import Argument
from txn.store.group_commit import GroupCommit
from txn.store.replication import Replication

_FOLDER = Path(__file__).with_name("lua")
#: What the scripts share, and its definitions, in their order: each may use those before it.
_SHARED = ("prelude", "breaker", "limits")
_DEFINITIONS = "\n\n".join((_FOLDER / f"{name}.lua").read_text() for name in _SHARED).split("\n\n")
_NAME = re.compile(r"^local (?:function )?(\w+)", re.MULTILINE)


class Script:
    """One script, sent by its hash; its text only if the server does not know it."""

    def __init__(self, group: GroupCommit, text: str) -> None:
        self.script, self.sha = text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        self._group = group

    def __call__(self, keys: Sequence[str], args: Sequence[Argument], own: Sequence[Argument] | None = None) -> Any:
        """`own`: of a script for many ids, what is this id's own. Raises: redis.RedisError."""
        try:
            return self._group.call("EVALSHA", self.sha, len(keys), *keys, *args, own=own)
        except redis.exceptions.NoScriptError:
            return self._group.call("EVAL", self.script, len(keys), *keys, *args, own=own)


@functools.cache
def text_of(body: str) -> str:
    """A script as it is sent: run by the prelude's `whole`, behind what it uses of the prelude.

    Redis makes the definitions anew with every call, which costs more than some scripts.
    """
    text = f"return whole(function()\n{body}\nend)"
    for definition in reversed(_DEFINITIONS):
        if any(re.search(rf"\b{name}\b", text) for name in _NAME.findall(definition)):
            text = f"{definition}\n{text}"
    return text


@functools.cache
def _bodies() -> Mapping[str, str]:
    """The files of the scripts, by name: read once, as there is a `Scripts` for each of many connections."""
    return {path.stem: path.read_text() for path in _FOLDER.glob("*.lua") if path.stem not in _SHARED}


def text_of_script(name: str) -> str:
    """One of the files, as it is sent."""
    return text_of(_bodies()[name])


class Scripts:
    """The scripts by name, run on one client. A flushed script cache is filled again on the way."""

    def __init__(self, client: redis.Redis, replication: Replication | None = None) -> None:
        self._group = GroupCommit(client, replication)
        self._scripts = {name: Script(self._group, text_of(body)) for name, body in _bodies().items()}

    def run(
        self, name: str, keys: Sequence[str], arguments: Sequence[Argument], own: Sequence[Argument] | None = None
    ) -> Any:
        """Raises: redis.RedisError. The script may have run all the same, unless it is a ResponseError."""
        return self._scripts[name](keys=keys, args=arguments, own=own)

    def texts(self) -> dict[str, tuple[str, str]]:
        """Hash and text of each script, by its name: for who sends them in another way."""
        return {name: (script.sha, script.script) for name, script in self._scripts.items()}
