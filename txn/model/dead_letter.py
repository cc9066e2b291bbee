"""Which dead letters are meant, and what can be done to them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from txn.model.transaction import ErrorCode

#: The error codes of dead letters: a cancelled transaction is none, as nobody has to decide anything about it.
LETTER_CODES = tuple(code for code in ErrorCode if code is not ErrorCode.CANCELLED)


class Action(StrEnum):
    """What an operator does to a dead letter."""

    REPLAY = "replay"  #: on its way again, exactly as careful as an automatic retry
    DISCARD = "discard"  #: off the list; the transaction stays `failed`

    @property
    def did(self) -> str:
        """`replayed`, `discarded`."""
        return f"{self}ed"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What somebody has agreed to: `count` matched among those that had failed until `before_ms`, on Redis's clock."""

    count: int
    before_ms: int


@dataclass(frozen=True, slots=True)
class Filter:
    """All dead letters of which everything that is set is true.

    `code`: why they failed. `since_ms`, `until_ms`: when, both inclusive. These are in indexes. `currency`, and `text`,
    a part of the error in any case, are looked for letter by letter.

    `discarded`: those that were taken off the list, and the times are when that was; their codes are not in an index.
    """

    code: str = ""
    since_ms: int | None = None
    until_ms: int | None = None
    currency: str = ""
    text: str = ""
    discarded: bool = False

    @property
    def scans(self) -> bool:
        """Whether an index alone cannot answer."""
        return bool(self.currency or self.text or (self.discarded and self.code))

    def matches(self, code: str, currency: str, detail: str) -> bool:
        """Whether a letter from the right part of the index, with this content and error, is meant."""
        return self.code in ("", code) and self.currency in ("", currency) and self.text.casefold() in detail.casefold()

    def to_json(self) -> dict[str, Any]:
        """Only what is set."""
        return {name: value for name, value in asdict(self).items() if value not in ("", None) and value is not False}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Filter":
        """The filter of `to_json`."""
        return cls(**fields)
