"""Whether the end of what is submitted is told, and where."""

import contextlib
from collections.abc import Callable
from dataclasses import replace

from txn.callbacks.rules import CallbackRules
from txn.errors import Invalid, NotFound
from txn.model.batch import Batch
from txn.model.submission import Submission
from txn.store.transactions import Store

#: The submission with what the record says of its callback. Raises Invalid.
Told = Callable[[Submission], Submission]


def untold(submission: Submission) -> Submission:
    """Where nobody is told. Raises: Invalid, if a submission names a URL."""
    if submission.callback:
        raise Invalid("callbackUrl", "is not taken here: there are no callbacks")
    return submission


def told_by(rules: CallbackRules | None, store: Store) -> Told:
    """Where callbacks go by these rules. What is stored already stays as it is: its repeat needs no rule."""

    def by_rules(submission: Submission) -> Submission:
        if rules is None:
            return untold(submission)
        wanted = rules.wanted(submission.client, submission.callback)
        return replace(submission, callback=wanted) if wanted != submission.callback else submission

    def told(submission: Submission) -> Submission:
        try:
            return by_rules(submission)
        except Invalid:
            with contextlib.suppress(NotFound):
                store.read(submission.id, submission.client)
                return replace(submission, callback="")
            raise

    return told


def of_all(batch: Batch, told: Told) -> Batch:
    """The batch with what the records say; what names a URL that is not taken is wrong."""
    return Batch([_of_one(item, told) for item in batch.items], batch.atomic)


def _of_one(item: Submission | Invalid, told: Told) -> Submission | Invalid:
    try:
        return item if isinstance(item, Invalid) else told(item)
    except Invalid as error:
        return error
