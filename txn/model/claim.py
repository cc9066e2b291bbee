"""A transaction in the hands of one worker."""

from typing import NamedTuple

from txn.model.outcome import Mode


class Claim(NamedTuple):
    """A transaction that is ours for `Settings.lease_ms` from before the claim was sent.

    `attempts`: deliveries that were allowed to post, this one included; `counted`: those before it that count against
    the maximum; `tries`: failures since it was accepted or replayed; `unanswered_ms`: how long GETs of this id have
    brought nothing while others were answered; `others`: whether the posting service has let others in since it sent
    us away; `last_error`: how the last delivery that failed did, or empty; `left_ms`:
    how long before it expires the claim was made, None: it does not; `trace`: the `traceparent` that it was submitted
    with, or empty.
    """

    id: str
    owner: str
    mode: Mode
    payload: bytes
    submitted_ms: int
    attempts: int
    counted: int
    tries: int
    unanswered_ms: int
    others: bool = False
    last_error: str = ""
    left_ms: int | None = None
    trace: str = ""

    @property
    def is_late(self) -> bool:
        """Whether it had expired when it was claimed."""
        return self.left_ms is not None and self.left_ms <= 0
