"""The product's sender on a real server, stepped by the test."""

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

from tests.callbacks.receiver import line
from tests.parts import Parts, submission
from txn.callbacks.post import Poster
from txn.callbacks.rules import CallbackRules, read_endpoints
from txn.callbacks.sender import Sender
from txn.model.outcome import Clear, Completed, Failed, Outcome
from txn.model.transaction import ErrorCode, Evidence
from txn.posting.endpoint import default_ca_file
from txn.settings import Settings
from txn.store.callbacks import Callbacks

POSTED = Completed(Evidence.POSTED)
REJECTED = Failed(ErrorCode.REJECTED, "no", Clear())


def wanting(parts: Parts, name: str, callback: str = "client", client: str = "") -> str:
    """Accepted, with somebody who wants to be told."""
    parts.store.accept(dataclasses.replace(submission(name), callback=callback, client=client))
    return name


def ended(parts: Parts, name: str, outcome: Outcome = POSTED, callback: str = "client", client: str = "") -> str:
    parts.settle(parts.claimed(wanting(parts, name, callback, client)), outcome, answered=True)
    return name


def at(settings: Settings, url: str = "", **more: Any) -> Settings:
    """Callbacks may go to this machine; without a name of its own, a client is told at `url`."""
    local: dict[str, Any] = {"allow_http_callbacks": True, "callback_networks": "127.0.0.0/8,::1"}
    return settings.model_copy(update=local | ({"callbacks": line("default", url)} if url else {}) | more)


class Sending:
    """A worker process's sender. `clock_s` is what it signs with."""

    def __init__(self, parts: Parts, settings: Settings, wall_s: Callable[[], float] | None = None) -> None:
        self.callbacks = Callbacks(parts.database)
        self.rules = CallbackRules(settings, read_endpoints(settings))
        more = {"wall_s": wall_s} if wall_s else {}
        self.sender = Sender(
            self.callbacks,
            self.rules,
            settings,
            lambda: Poster(settings.callback_timeout_ms, default_ca_file(), self.rules.may_connect_to),
            chance=lambda: 0.0,
            **more,
        )
        self.parts = parts

    def round(self) -> int:
        """Take what is due, and wait until it was sent: how many."""
        taken = self.sender.tick()
        self.rest()
        return taken

    def rest(self) -> None:
        while self.sender._lanes.in_flight:
            assert self.sender._freed.wait(30)
            self.sender._freed.clear()

    def totals(self) -> tuple[int, int, int, int]:
        """Waiting, dead, told, failed."""
        found = self.parts.read_statistics().totals
        return found.callbacks_waiting, found.callbacks_dead, found.callbacks_told, found.callbacks_failed


def all_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate()]
