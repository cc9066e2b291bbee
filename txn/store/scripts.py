"""The Lua scripts: one file a verb, each run as one atomic call."""

import functools
import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import redis
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from txn.errors import StoreRefuses, StoreUnavailable
from txn.store.connection import takes_no_writes
from txn.store.group_commit import GroupCommit, group_of
from txn.store.reasons import reason, refusal

_FOLDER = Path(__file__).with_name("lua")
#: The prelude's definitions, in its order: each may use those before it.
_DEFINITIONS = (_FOLDER / "prelude.lua").read_text().split("\n\n")
_NAME = re.compile(r"^local (?:function )?(\w+)", re.MULTILINE)

#: Pauses between the repeats of one call.
FIRST_PAUSE_S = 0.05
MAX_PAUSE_S = 1.0

Argument = str | bytes | int


class Script:
    """One script, sent by its hash; its text only if the server does not know it."""

    def __init__(self, group: GroupCommit, text: str) -> None:
        self.script, self.sha = text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        self._group = group

    def __call__(self, keys: Sequence[str], args: Sequence[Argument]) -> Any:
        """Raises: redis.RedisError."""
        try:
            return self._group.call("EVALSHA", self.sha, len(keys), *keys, *args)
        except redis.exceptions.NoScriptError:
            return self._group.call("EVAL", self.script, len(keys), *keys, *args)


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


class Scripts:
    """Runs scripts by name on one client. A flushed script cache is filled again on the way."""

    def __init__(self, client: redis.Redis) -> None:
        group = group_of(client)
        self._scripts: dict[str, Callable[..., Any]] = {
            path.stem: Script(group, text_of(path.read_text()))
            for path in _FOLDER.glob("*.lua")
            if path.stem != "prelude"
        }

    def run(self, name: str, keys: Sequence[str], arguments: Sequence[Argument], repeats: int = 0) -> Any:
        """The script's reply: bytes, integers, None and lists of them.

        `repeats` is for scripts that may run twice: how often to try again, with growing pauses, after a failure.
        Raises: StoreUnavailable. The script may have run all the same.
        """
        script = self._scripts[name]

        def once() -> Any:
            try:
                return script(keys=keys, args=arguments)
            except redis.RedisError as error:
                raise unavailable(error) from error

        return _repeating(repeats).call_with_retry(once, lambda _error: None) if repeats else once()


@functools.cache
def _repeating(repeats: int) -> Retry:
    return Retry(ExponentialBackoff(cap=MAX_PAUSE_S, base=FIRST_PAUSE_S), repeats, (StoreUnavailable,))


def unavailable(error: redis.RedisError) -> StoreUnavailable:
    """What a failure of the client means to txn, in one line without addresses or credentials."""
    if isinstance(error, redis.ResponseError) and takes_no_writes(error):
        return StoreRefuses(refusal(error))
    return StoreUnavailable(reason(error))
