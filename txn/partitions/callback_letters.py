"""`AllCallbackLetters`: callbacks of all partitions that were given up. A name does not say in which of them it is."""

from collections import Counter
from collections.abc import Sequence

from txn.errors import NotFound
from txn.model.dead_letter import Action
from txn.operate.callbacks import CallbackLetters, Page
from txn.partitions.place import Partitions
from txn.store.callbacks import Callback

_ORDER = ("done", "not_dead", "unknown")


class AllCallbackLetters(CallbackLetters):
    """As `CallbackLetters`. Raises StoreUnavailable while one partition is away."""

    def __init__(self, read: Partitions, write: Partitions) -> None:
        super().__init__(read.first, write.first)
        self._all = [CallbackLetters(*databases) for databases in zip(read.all, write.all, strict=True)]

    def page(self, before: str = "", limit: int = 50) -> Page:
        """See `CallbackLetters.page`. One that cannot be read may be named on more than one page."""
        found = [letters.page(before, limit) for letters in self._all]
        # All partitions were read down to this place, and no further.
        bound = max((_place(page.next) for page in found if page.next is not None), default=None)
        merged = sorted((one for page in found for one in page.callbacks), key=_place_of, reverse=True)
        complete = [one for one in merged if bound is None or _place_of(one) >= bound]
        unreadable = [name for page in found for name in page.unreadable]
        if len(complete) > limit:
            bound = _place_of(complete[limit - 1])
        return Page(complete[:limit], unreadable, None if bound is None else f"{bound[0]}-{bound[1]}")

    def read(self, name: str) -> Callback:
        """See `CallbackLetters.read`."""
        for letters in self._all[:-1]:
            try:
                return letters.read(name)
            except NotFound:
                continue
        return self._all[-1].read(name)

    def waiting(self) -> dict[str, int]:
        """See `CallbackLetters.waiting`."""
        found: Counter[str] = Counter()
        for letters in self._all:
            found.update(letters.waiting())
        return dict(found)

    def became(self, what: Action, names: Sequence[str], who: str, why: str) -> list[str]:
        """See `CallbackLetters.became`: each partition is asked for all, and one of them has it."""
        found = zip(*(letters.became(what, names, who, why) for letters in self._all), strict=True)
        return [min(each, key=_ORDER.index) for each in found]


def _place(text: str) -> tuple[int, str]:
    ms, _, name = text.partition("-")
    return int(ms), name


def _place_of(callback: Callback) -> tuple[int, str]:
    return callback.died_ms or 0, callback.name
