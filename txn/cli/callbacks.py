"""`txn callbacks`: those that were given up, and what to do with them."""

from typing import Annotated

import typer
from rich.text import Text

from txn.cli.connect import open_tools
from txn.cli.output import AsJson, Who, Yes, ask, operator, plain, print_json, write
from txn.errors import Invalid
from txn.model.dead_letter import Action
from txn.operate.callbacks import CallbackLetters, Told, to_json
from txn.operate.operations import MAX_IDS, checked_why
from txn.readers import formats
from txn.signatures import new_secret
from txn.store.callbacks import Callback

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="As the list shows them.")]
Everything = Annotated[bool, typer.Option("--all", metavar="", help="All that were given up, instead of names.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="How many to show, the newest first.")]

callbacks = typer.Typer(
    rich_markup_mode="rich",
    help="Callbacks that were given up: list them, send them again, discard them.",
    add_completion=False,
    invoke_without_command=True,
)


@callbacks.callback()
def listed(context: typer.Context, limit: Limit = 20, as_json: AsJson = False) -> None:
    """List the callbacks that were given up, the newest first, and how many wait for which receiver.

    [bold]txn callbacks --limit 100[/]

    [bold]txn callbacks replay --all --why 'their server is back'[/]
    """
    if context.invoked_subcommand is not None:
        return
    tools = open_tools()
    totals, page, waiting = tools.statistics.read().totals, tools.callbacks.page("", limit), tools.callbacks.waiting()
    if as_json:
        found = {"waiting": totals.callbacks_waiting, "waitingFor": waiting, "dead": totals.callbacks_dead}
        print_json(found | {"callbacks": [to_json(one) for one in page.callbacks], "unreadable": page.unreadable})
        return
    for one in page.callbacks:
        write(_line(one))
    for name in page.unreadable:
        write(Text(f"{name}  cannot be read by this version: discard it, or ask a newer one"))
    for lane, number in waiting.items():
        write(Text(f"{formats.number(number)} wait for {plain(lane)}"))
    write(f"{formats.number(totals.callbacks_waiting)} wait, {formats.number(totals.callbacks_dead)} were given up.")


@callbacks.command("show")
def show(name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Show one callback that waits or was given up, with what it tells, as JSON.

    [bold]txn callbacks show 5b0b2c1f6d0e4c7a9f3e8d2a1b4c5d6e7f809112[/]
    """
    found = open_tools().callbacks.read(name)
    print_json(to_json(found) | {"data": found.transaction.to_json()})


@callbacks.command("replay")
def replay(
    names: Names = None,
    everything: Everything = False,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, for the journal.")] = "",
    who: Who = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Send callbacks that were given up again, for another day.

    [bold]txn callbacks replay --all --why 'their server is back'[/]
    """
    _act(Action.REPLAY, names or [], everything=everything, why=why, who=who, yes=yes, as_json=as_json)


@callbacks.command("discard")
def discard(
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason, for the journal.")],
    names: Names = None,
    everything: Everything = False,
    who: Who = "",
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Delete callbacks that were given up: their receivers will not be told. The transactions stay as they are.

    [bold]txn callbacks discard --all --why 'this client is gone'[/]
    """
    _act(Action.DISCARD, names or [], everything=everything, why=why, who=who, yes=yes, as_json=as_json)


@callbacks.command("secret")
def secret() -> None:
    """Make a secret for a line of TXN_CALLBACKS, and print it. It is kept nowhere.

    [bold]txn callbacks secret[/]
    """
    typer.echo(new_secret())


def _act(what: Action, names: list[str], *, everything: bool, why: str, who: str, yes: bool, as_json: bool) -> None:
    """Raises: Invalid, StoreUnavailable, typer.Exit with 1 if not all was done."""
    who, why = operator(who), checked_why(what, why)
    if everything == bool(names):
        raise Invalid("NAME", "say which callbacks: give names, or --all")
    if len(set(names)) > MAX_IDS:
        raise Invalid("NAME", f"at most {MAX_IDS} names at once: give fewer, or --all")
    tools = open_tools()
    count = tools.statistics.read().totals.callbacks_dead if everything else len(set(names))
    if everything and not count:
        write("None were given up: nothing to do.") if not as_json else print_json({what.did: 0})
        return
    ask(f"{what.value.capitalize()} {formats.number(count)} callback{'' if count == 1 else 's'}?", yes=yes)
    if everything:
        done = _all(tools.callbacks, what, who, why)
        print_json({what.did: done}) if as_json else write(f"{formats.number(done)} {what.did}.")
        return
    told = _some(tools.callbacks, what, names, who, why)
    if as_json:
        print_json({what.did: told.done, "notDead": told.not_dead, "unknown": told.unknown})
    else:
        _say(what, told)
    if len(told.done) < len(set(names)):
        raise typer.Exit(1)


def _some(letters: CallbackLetters, what: Action, names: list[str], who: str, why: str) -> Told:
    return (letters.replay if what is Action.REPLAY else letters.discard)(names, who, why)


def _all(letters: CallbackLetters, what: Action, who: str, why: str) -> int:
    """Those that are given up meanwhile are not seen: each page is older than the one before."""
    done, before = 0, ""
    while True:
        page = letters.page(before, MAX_IDS)
        names = [one.name for one in page.callbacks] + (page.unreadable if what is Action.DISCARD else [])
        for first in range(0, len(names), MAX_IDS):
            done += len(_some(letters, what, names[first : first + MAX_IDS], who, why).done)
        if page.next is None:
            return done
        before = page.next


def _say(what: Action, told: Told) -> None:
    write(f"{formats.number(len(told.done))} {what.did}.")
    for name in told.not_dead:
        write(Text(f"{plain(name)}: not given up, skipped"))
    for name in told.unknown:
        write(Text(f"{plain(name)}: no callback has this name: its receiver has it, or it was discarded"))


def _line(one: Callback) -> Text:
    when = formats.utc(one.died_ms or 0)
    said = f"{when}  {one.name}  {one.type}  {one.transaction.id}  to {_receiver(one)}  {one.tries} tries: {one.why}"
    return Text(plain(said))


def _receiver(one: Callback) -> str:
    return str(to_json(one)["url"] or f"the client {one.client or 'default'}")
