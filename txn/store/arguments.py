"""What the scripts of a transaction's life are told: their keys, and their arguments. What they answer: replies.py."""

from txn.model.outcome import (
    Clear,
    Completed,
    Doubt,
    Failed,
    Maybe,
    Outcome,
    Released,
    Retry,
    Settlement,
)
from txn.model.submission import Submission
from txn.store.commands import Argument
from txn.store.keys import Keys, letter_places, lists, wake_ups

#: Text of errors in records is cut to this many characters.
MAX_DETAIL = 300

_CLEAR = Clear()


def accept_keys(keys: Keys) -> list[str]:
    """Of accept.lua."""
    return [keys.record(""), keys.payload(""), *_places(keys), *wake_ups(keys), *lists(keys), keys.expiring]


def claim_keys(keys: Keys) -> list[str]:
    """Of claim.lua."""
    return [
        *(keys.record(""), keys.payload(""), *_places(keys), keys.epoch, keys.posting, keys.outage, keys.probes),
        *(keys.hanging, keys.in_flight, keys.turned_back),
    ]


def settle_keys(keys: Keys) -> list[str]:
    """Of settle.lua."""
    return [
        *(keys.record(""), *_places(keys), keys.epoch, keys.posting, *letter_places(keys), keys.outage, keys.probes),
        *(keys.hanging, keys.in_flight, keys.changes, keys.callbacks, keys.expiring),
    ]


def cancel_keys(keys: Keys, transaction_id: str) -> list[str]:
    """Of cancel.lua."""
    return [
        *(keys.record(transaction_id), *_places(keys), keys.epoch, *letter_places(keys)),
        *(keys.outage, keys.turned_back, keys.changes, keys.callbacks),
    ]


def due_keys(keys: Keys) -> list[str]:
    """Of due.lua."""
    return [
        *(keys.due, keys.record(""), keys.count, keys.epoch, *wake_ups(keys)),
        *(*letter_places(keys), keys.payload(""), keys.posting, keys.outage, keys.probes),
        *(keys.in_flight, keys.turned_back, keys.minute, keys.changes, keys.expiring),
        keys.callbacks,
    ]


def _places(keys: Keys) -> tuple[str, str, str]:
    return keys.due, keys.count, keys.minute


def of_submission(submission: Submission) -> tuple[Argument, ...]:
    """What accept.lua takes of each."""
    expires = "" if submission.deliver_by_ms is None else submission.deliver_by_ms
    return (
        *(submission.id, submission.fingerprint, submission.payload, submission.client, expires),
        submission.trace,
        submission.callback,
    )


def of_settlement(transaction_id: str, owner: str, settlement: Settlement) -> tuple[Argument, ...]:
    """What settle.lua takes of each."""
    outcome = settlement.outcome
    kind, code, detail, wait_ms, counts = _described(outcome)
    return (
        *(transaction_id, owner, kind, *_doubt(getattr(outcome, "doubt", _CLEAR)), wait_ms, int(counts)),
        *(int(settlement.answered), int(settlement.taken), settlement.outage[:MAX_DETAIL], code),
        *(detail[:MAX_DETAIL], settlement.history, settlement.calls, settlement.hold_ms),
    )


def _described(outcome: Outcome) -> tuple[str, str, str, int, bool]:
    """(kind, code or evidence, detail, wait ms, counts) of an outcome."""
    match outcome:
        case Completed(evidence):
            return "complete", evidence.value, "", 0, True
        case Failed(code, detail):
            return "fail", code.value, detail, 0, True
        case Retry(cause, detail, _, wait_ms):
            return "retry", cause.value, detail, wait_ms, outcome.counts
        case Released():
            return "release", "", "", 0, False


def _doubt(doubt: Doubt) -> tuple[str, int]:
    """(doubt, its ms)."""
    if isinstance(doubt, Maybe):
        return "maybe", doubt.for_ms
    return ("clear" if isinstance(doubt, Clear) else "keep"), 0
