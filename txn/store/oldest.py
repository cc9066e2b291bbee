"""Finds the transactions that are unfinished for longest, for people to look at. Not on the delivery path."""

from txn.store.database import Database

#: Ids that one call looks at, so that Redis is never busy with us for long.
STEP_IDS = 500
#: Time from one step of the workers' common round to the next.
PACE_MS = 100
#: Pause between two rounds.
ROUND_S = 1.0
#: While one of so many is unfinished, it is known which is the oldest.
KEPT = 50


class Oldest:
    """One worker process's share of the round that all workers share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def beat(self) -> float:
        """The next step, if nobody else has made it, and the seconds to the one after. Raises: StoreUnavailable."""
        keys = self._database.keys
        arguments = [STEP_IDS, PACE_MS, KEPT, self._database.shift_ms()]
        goes_on = self._database.run("oldest", [keys.oldest, keys.due, keys.record("")], arguments)
        return PACE_MS / 1000 if goes_on else ROUND_S
