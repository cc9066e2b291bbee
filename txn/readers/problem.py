"""`Problem`: one thing that is wrong."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `bad`: the promise or the work is at stake. `warn`: somebody should look at it.

    `since_ms` is on Redis's clock; None: not known. `about`: where there is more to see and to do, if there is.
    """

    level: Literal["bad", "warn"]
    what: str
    hint: str
    since_ms: int | None = None
    about: Literal["", "workers", "queue", "dead letters", "callbacks"] = ""

    @property
    def sentence(self) -> str:
        """All of it in one line."""
        return f"{self.what}: {self.hint}"
