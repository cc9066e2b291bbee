"""`txn runs` and `txn run stop`: bulk runs, which the workers carry on."""

from typing import Annotated

import typer
from rich.text import Text

from txn.cli import letters
from txn.cli.connect import open_tools
from txn.cli.output import AsJson, Who, operator, plain, print_json, write
from txn.errors import NotFound
from txn.operate.bulk_runs import RUNS_KEPT, Run
from txn.readers import formats

one = typer.Typer(help="Stop a bulk run.", no_args_is_help=True)


def runs(
    limit: Annotated[
        int, typer.Option(min=1, max=RUNS_KEPT, metavar="N", help="How many to show, the newest first.")
    ] = 20,
    as_json: AsJson = False,
) -> None:
    """List bulk runs, the newest first: how far each is, and who began it.

    [bold]txn runs --json | jq -r '.runs\\[] | select(.state == "running").run'[/]
    """
    found = open_tools().runs.recent(limit)
    if as_json:
        print_json({"runs": [run.to_json() for run in found]})
        return
    for run in found:
        write(_told(run))
    if not found:
        write("There was no bulk run yet.")


@one.command("stop")
def stop(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="As `txn runs` shows it.")],
    who: Who = "",
) -> None:
    """Stop a bulk run where it stands. What it has done is not undone.

    [bold]txn run stop 5f1c0f6fb0f0a1b2[/]
    """
    tools, who = open_tools(), operator(who)
    ended = tools.operations.stop_run(run_id, who)
    if ended == "unknown":
        raise NotFound(f"there is no bulk run {plain(run_id)!r}: txn runs lists them")
    run = tools.runs.read(run_id)
    if ended == "stopped":
        write(f"Stopped: {formats.number(run.done)} {run.what.did} before that.")
        return
    write(f"It was over already ({run.state}): {formats.number(run.done)} {run.what.did}.")
    raise typer.Exit(1)


def _told(run: Run) -> Text:
    """An id is a word of its own, so that no terminal breaks it."""
    which = letters.described(run.filter) or "all"
    of = "" if run.confirmed is None else f" of {formats.number(run.confirmed)} confirmed"
    far = f"{formats.number(run.done)} {run.what.did}{of}"
    far += f", {formats.percent(run.share)} looked at" if run.state == "running" else ""
    why = f", why: {run.why}" if run.why else ""
    begun = f"{formats.utc(run.started_ms)}, {formats.ago(run.started_ms, run.now_ms)}, by {run.by}{why}"
    return Text.assemble(
        (run.id, "bold"), plain(f"  {run.state}  {run.what.value}: {which}\n"), (plain(f"  {far}"), ""), "\n",
        (plain(f"  begun {begun}"), "dim"),
    )  # fmt: skip
