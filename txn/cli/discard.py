"""`txn discard`: dead letters off the list."""

from typing import Annotated

import typer

from txn.cli import letters
from txn.cli.act import All, Ids, act
from txn.cli.output import AsJson, Who, Yes
from txn.model.dead_letter import Action


def discard(
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason; it is kept in the record.")],
    ids: Ids = None,
    everything: All = False,
    code: letters.Code = "",
    since: letters.Since = "",
    until: letters.Until = "",
    currency: letters.Currency = "",
    text: letters.Text_ = "",
    who: Who = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Take failed transactions off the list. They stay failed, and say who discarded them and why.

    See them with: txn failed --discarded. They can still be replayed.

    [bold]txn discard 084b7c9d-70bc-5d9c-9ef6-08788f8b0ad4 --why 'paid by hand'[/]
    """
    wanted = letters.read_filter(code, since, until, currency, text)
    act(Action.DISCARD, ids or [], wanted, everything=everything, why=why, who=who, yes=yes, as_json=as_json)
