"""`txn replay`: dead letters on their way again."""

from typing import Annotated

import typer

from txn.cli import letters
from txn.cli.act import All, Ids, act
from txn.cli.output import AsJson, Who, Yes
from txn.model.dead_letter import Action


def replay(
    ids: Ids = None,
    everything: All = False,
    code: letters.Code = "",
    since: letters.Since = "",
    until: letters.Until = "",
    currency: letters.Currency = "",
    text: letters.Text_ = "",
    discarded: letters.Discarded = False,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, for the journal.")] = "",
    who: Who = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Deliver failed transactions again.

    The posting service is asked for each one first. It is posted only if it is not there and no POST is in doubt.

    [bold]txn replay 084b7c9d-70bc-5d9c-9ef6-08788f8b0ad4[/]

    [bold]txn replay --all --code rejected --since 2h --why 'their limit was raised'[/]
    """
    wanted = letters.read_filter(code, since, until, currency, text, discarded=discarded)
    act(Action.REPLAY, ids or [], wanted, everything=everything, why=why, who=who, yes=yes, as_json=as_json)
