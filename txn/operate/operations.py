"""What operators do to dead letters, whatever they do it with. Each deed is in the journal and in the log."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from txn.errors import Invalid
from txn.model.content import dumps
from txn.model.dead_letter import Action, Confirmed, Filter
from txn.operate.bulk_runs import BulkRuns
from txn.store.database import Database
from txn.store.keys import letter_places

#: One line a deed: who, what, how many, why. Never a payload.
log = logging.getLogger("txn.journal")

#: Letters of one call; more is a bulk run.
MAX_IDS = 200
MAX_WHY = 300


@dataclass(frozen=True, slots=True)
class Done:
    """What became of each id: `done` were replayed or discarded, `not_failed` and `unknown` were left alone."""

    done: list[str]
    not_failed: list[str]
    unknown: list[str]


class Operations:
    """Replays and discards, one by one or all that match. Every method raises StoreUnavailable and Invalid."""

    def __init__(self, database: Database, runs: BulkRuns | None = None) -> None:
        self._database, self._runs = database, runs or BulkRuns(database)

    def replay(self, ids: Sequence[str], who: str, why: str = "") -> Done:
        """Send failed transactions on their way again: looked for first, and posted only when nothing is in doubt."""
        return self._operate(Action.REPLAY, ids, who, why)

    def discard(self, ids: Sequence[str], who: str, why: str) -> Done:
        """Take dead letters off the list; a reason is needed. They can still be replayed."""
        return self._operate(Action.DISCARD, ids, who, why)

    def start_run(
        self, run_id: str, what: Action, wanted: Filter, confirmed: Confirmed, who: str, why: str = ""
    ) -> None:
        """Do it to all that match and were counted. The workers move it on; starting it twice starts one."""
        why = checked_why(what, why)
        check_fits(what, wanted)
        if self._runs.start(run_id, what, wanted, confirmed, who, why) == "started":
            told = (who, what, run_id, confirmed.count, _shown(wanted), why)
            log.info("%s: %s all that match, run %s, confirmed %d, filter %r, why %r", *told)

    def stop_run(self, run_id: str, who: str) -> str:
        """End a run where it stands: `stopped`, `over` or `unknown`. What it has done stays done."""
        stopped = self._runs.stop(run_id, who)
        if stopped == "stopped":
            log.info("%s: stop run %s", who, run_id)
        return stopped

    def _operate(self, what: Action, ids: Sequence[str], who: str, why: str) -> Done:
        why, ids = checked_why(what, why), list(dict.fromkeys(ids))
        if not 0 < len(ids) <= MAX_IDS:
            raise Invalid("ids", f"select 1 to {MAX_IDS} transactions, not {len(ids)}: for more, use “all that match”")
        became = list(zip(ids, self.became(what, ids, who, why), strict=True))
        done = Done(*([name for name, end in became if end == one] for one in ("done", "not_failed", "unknown")))
        if done.done:
            log.info("%s: %s %d, why %r: %s", who, what, len(done.done), why, " ".join(done.done))
        return done

    def became(self, what: Action, ids: Sequence[str], who: str, why: str) -> list[str]:
        """What became of each id, with one call to Redis; nothing is checked and nothing logged."""
        keys = self._database.keys
        names = [keys.record(""), keys.due, keys.count, *letter_places(keys), keys.journal, keys.changes]
        arguments = [what.value, history_line(what, who, why), who, why, self._database.shift_ms(), *ids]
        return [one.decode() for one in self._database.run("operate", names, arguments)]


def checked_why(what: Action, why: str) -> str:
    """The reason, in one line. Raises: Invalid."""
    why = reason(why)
    if what is Action.DISCARD and not why:
        raise Invalid("why", "give a reason: it is kept with the discarded transaction, for whoever asks later")
    return why


def reason(text: str) -> str:
    """Why somebody does something, in one line. Its length is that of what was given. Raises: Invalid."""
    if len(text) > MAX_WHY:
        raise Invalid("why", f"the reason is too long: at most {MAX_WHY} characters")
    return " ".join(text.split())


def check_fits(what: Action, wanted: Filter) -> None:
    """Raises: Invalid."""
    if wanted.discarded and what is Action.DISCARD:
        raise Invalid("what", "these were discarded already: they can be replayed")


def history_line(what: Action, who: str, why: str, run: str = "") -> str:
    """One line of a record's history."""
    line = {"by": who, "what": what.value, "why": why, "run": run}
    return dumps({name: value for name, value in line.items() if value}).decode()


def _shown(wanted: Filter) -> str:
    """Without the text that was looked for: it may quote a payload."""
    fields = wanted.to_json()
    return dumps(fields | ({"text": "..."} if wanted.text else {})).decode()
