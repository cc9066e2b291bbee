"""What replay and discard share: some by their ids at once, or all that match as a run of the workers."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer

from txn.cli import letters
from txn.cli.connect import open_tools
from txn.cli.follow import count_all, follow
from txn.cli.output import ask, operator, plain, print_json, write
from txn.errors import Invalid, StoreUnavailable
from txn.model.dead_letter import Action, Filter
from txn.model.ids import checked_id
from txn.operate.operations import MAX_IDS, Done, checked_why
from txn.operate.tools import Tools

Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID", help="Ids, as txn failed shows them; none with --all.", show_default=False),
]
All = Annotated[bool, typer.Option("--all", metavar="", help="All that match the filter options, instead of ids.")]


def act(
    what: Action, ids: Sequence[str], wanted: Filter, *, everything: bool, why: str, who: str, yes: bool, as_json: bool
) -> None:
    """Raises: Invalid, StoreUnavailable, typer.Exit with 1 if not all was done."""
    who, why = operator(who), checked_why(what, why)
    _check(ids, wanted, everything=everything)
    tools = open_tools()
    if everything:
        _all(tools, what, wanted, who=who, why=why, yes=yes, as_json=as_json)
    else:
        _some(tools, what, [checked_id(name) for name in ids], who=who, why=why, yes=yes, as_json=as_json)


def _check(ids: Sequence[str], wanted: Filter, *, everything: bool) -> None:
    if everything and ids:
        raise Invalid("--all", "give ids, or --all, not both")
    if not everything and wanted.to_json():
        raise Invalid("--all", "filter options need --all")
    if not everything and not ids:
        raise Invalid("ID", "give an ID or more, or --all with filter options")
    if len(set(ids)) > MAX_IDS:
        raise Invalid("ID", f"at most {MAX_IDS} ids at once: give fewer, or --all with filter options")


def _some(tools: Tools, what: Action, ids: Sequence[str], *, who: str, why: str, yes: bool, as_json: bool) -> None:
    tools.statistics.read()  # a Redis that is away is said before anything is asked
    ask(f"{what.value.capitalize()} {_transactions(len(set(ids)))}?", yes=yes)
    operate = tools.operations.replay if what is Action.REPLAY else tools.operations.discard
    with _unsure("check with txn show before you repeat it"):
        done = operate(ids, who, why)
    if as_json:
        print_json({what.did: done.done, "notFailed": done.not_failed, "unknown": done.unknown})
    else:
        write(_told(what, done))
    if len(done.done) < len(set(ids)):
        raise typer.Exit(1)


def _all(tools: Tools, what: Action, wanted: Filter, *, who: str, why: str, yes: bool, as_json: bool) -> None:
    count = count_all(tools, wanted)
    if not count.matching:
        write("Nothing matches: nothing to do.") if not as_json else print_json({"run": None, "done": 0})
        return
    chosen = f" ({letters.described(wanted)})" if wanted.to_json() else ""
    ask(f"{what.value.capitalize()} {_transactions(count.matching)}{chosen}?", yes=yes)
    run_id = secrets.token_hex(8)
    with _unsure(f"check /admin/bulk/{run_id} before you repeat it"):
        tools.operations.start_run(run_id, what, wanted, count.confirmed, who, why)
    run = follow(tools, run_id, who)
    if as_json:
        told = {"run": run.id, "state": run.state, "confirmed": run.confirmed, "done": run.done}
        print_json(told | {"gone": run.missed, "other": run.other, "more": run.more})
    else:
        said = f"{_transactions(run.done)} {what.did}"
        said += f", {run.missed:,} were no longer failed" if run.missed else ""
        write(said + ("; stopped." if run.state == "stopped" else "."))
        if run.more:
            write("More match than were confirmed: repeat the command for the rest.")
    if run.state != "done":
        raise typer.Exit(1)


@contextmanager
def _unsure(then: str) -> Iterator[None]:
    """What was being written may have been written all the same."""
    try:
        yield
    except StoreUnavailable as error:
        raise StoreUnavailable(f"{error}. It may have been done or not: {then}") from None


def _told(what: Action, done: Done) -> str:
    lines = [f"{_transactions(len(done.done))} {what.did}."]
    lines += [f"{plain(name)}: not failed, skipped" for name in done.not_failed]
    lines += [f"{plain(name)}: no transaction has this id" for name in done.unknown]
    return "\n".join(lines)


def _transactions(count: int) -> str:
    return f"{count:,} transaction{'' if count == 1 else 's'}"
