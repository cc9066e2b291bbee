import re
from dataclasses import replace
from pathlib import Path

import txn
from tests.parts import Parts, submission
from txn.model.dead_letter import Action, Filter
from txn.model.outcome import Cause, Clear, Completed, Retry
from txn.model.transaction import Evidence
from txn.operate.ended_sessions import EndedSessions
from txn.operate.events import Events
from txn.operate.last_audit import LastAudit, LastAudits
from txn.store.callbacks import Callbacks, Room
from txn.store.integrity import Integrity
from txn.store.keys import Keys
from txn.store.oldest import Oldest
from txn.store.rights import Rights

KINDS = ("string", "hash", "list", "set", "zset", "stream")
#: What stands in a key for an id, a code, a run.
ANY = "*"


def described() -> dict[str, str]:
    """Each key, `*` for what varies -> the type that its docstring begins with."""
    keys, found = Keys(""), {}
    for name, member in vars(Keys).items():
        if isinstance(member, property):
            found[getattr(keys, name)] = str(member.__doc__)
        elif callable(member) and not name.startswith("_"):
            found[getattr(keys, name)(ANY)] = str(member.__doc__)
    for key in [key for key in found if found[key].startswith("Stem")]:
        found[f"{key}{ANY}"] = found.pop(key).removeprefix("Stem of the ").capitalize()
    return {key: kind for key, said in found.items() for kind in KINDS if said.lower().startswith(kind)}


def pattern_of(key: str) -> str:
    fitting = [one for one in described() if re.fullmatch(re.escape(one).replace(r"\*", ".*"), key)]
    assert fitting, key
    return max(fitting, key=len)


def live(parts: Parts) -> None:
    """Something of everything."""
    parts.accept("waits")
    parts.store.accept(replace(submission("expires"), deliver_by_ms=parts.read_statistics().now_ms + 3_600_000))
    parts.settle(parts.claimed(parts.accept()), Completed(Evidence.POSTED), answered=True)
    for _ in range(2):
        told = replace(submission(), callback="client")
        parts.store.accept(told)
        parts.settle(parts.claimed(told.id), Completed(Evidence.POSTED), answered=True)
    callbacks = Callbacks(parts.database)
    [callback] = callbacks.take("me", Room(1, 1, 1, 1, {}), 1, 1)
    callbacks.sent(callback.name, "me", "gone", wait_ms=0, why="", give_up_ms=0)
    parts.settle(parts.claimed(parts.accept()), Retry(Cause.OUTAGE, "away", Clear(), 0), outage="away", calls="G")
    parts.fail("a")
    parts.discard(parts.fail("gone"))
    LastAudits(parts.database).keep(LastAudit(1, 0, 1, "all is well"))
    parts.messages().heartbeat({"host": "h"})
    assert parts.messages().fetch(1)
    parts.timings.note("submit", 0.01)
    parts.timings.flush()
    parts.start_run("run", Action.REPLAY, Filter())
    Integrity(parts.database, "@ID@").step()
    Oldest(parts.database).beat()
    Events(parts.database).notice("posting", "away", 1, 2)
    parts.client.set(parts.keys.doctor, 1)
    parts.client.set(parts.keys.replicated, 1)
    parts.client.set(parts.keys.partitions, 8)
    EndedSessions(parts.database).end("nonce", 60)
    parts.client.hset(parts.keys.posting, mapping={"breaker": "half", "cap": 9})
    parts.settle(parts.claimed(parts.accept("hangs")), Retry(Cause.OUTAGE, "away", Clear(), 0), calls="G!")
    parts.claimed("hangs")
    parts.limits.set("ann", in_flight=1)
    assert parts.claim(parts.accept()) is None
    parts.clock.forward(parts.settings.lease_ms)
    parts.claimed(parts.accept())


def test_every_key_is_one_of_keys_and_of_the_type_that_is_said_there(parts: Parts) -> None:
    live(parts)
    found = {}
    for name in parts.client.scan_iter(f"{parts.settings.prefix}*"):
        pattern = pattern_of(name.decode().removeprefix(parts.settings.prefix))
        assert parts.client.type(name).decode() == described()[pattern], name
        found[pattern] = name
    assert set(described()) - set(found) == {"dramatiq:__acks__.*"}, "the longer name of the same one is there"


def test_rights_are_tried_on_keys_of_the_type_that_is_said_there(parts: Parts) -> None:
    in_use = Rights(parts.database)._in_use(None)
    for kind, name in zip(in_use[::2], in_use[1::2], strict=True):
        assert described()[pattern_of(name.removeprefix(parts.settings.prefix))] == kind, name


def test_nobody_else_puts_keys_together() -> None:
    put_together = re.compile(r"{[\w.]*keys\.\w+}:|{\w*\.?prefix}\w")
    others = [path for path in Path(txn.__file__).parent.rglob("*.py") if path.name != "keys.py"]
    assert [path.name for path in others if put_together.search(path.read_text())] == []
