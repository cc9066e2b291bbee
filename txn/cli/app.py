"""All commands, and how each of them ends when it cannot do its work."""

import io
import logging
import os
import sys
import traceback
from typing import Annotated, Any

import typer
from typer.completion import completion_init  # type: ignore[attr-defined]  # with it come its own options
from typer.core import TyperGroup

from txn import __version__
from txn.cli import (
    INTERRUPTED,
    audit,
    callbacks,
    completion,
    discard,
    divide,
    doctor,
    events,
    failed,
    hash_password,
    journal,
    keys,
    limit,
    listing,
    look,
    pause,
    replay,
    runs,
    show,
    status,
    submit,
    usage,
    workers,
)
from txn.cli.local_env import local_env
from txn.cli.output import plain
from txn.errors import BadSettings, Invalid, NotFound, StoreUnavailable, TxnError
from txn.settings import Settings


class _Commands(TyperGroup):
    """One sentence on standard error in place of a traceback or a frame, whatever was wrong."""

    def main(self, *arguments: Any, **more: Any) -> Any:
        """Run the command line. Raises: SystemExit."""
        completion_init()
        try:
            code = super().main(*arguments, **more | {"standalone_mode": False})
        except typer.TyperException as error:
            if said := usage.sentence(error):
                typer.echo(plain(said), err=True)
            sys.exit(error.exit_code)
        sys.exit(code)

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Raises: typer.Exit."""
        try:
            return super().invoke(ctx)
        except TxnError as error:
            typer.echo(f"txn {ctx.invoked_subcommand}: {plain(_sentence(error))}", err=True)
            raise typer.Exit(1 if isinstance(error, NotFound) else 2) from None
        except (KeyboardInterrupt, typer.Abort):
            typer.echo(err=True)
            raise typer.Exit(INTERRUPTED) from None


def _sentence(error: TxnError) -> str:
    """With the field that is to blame, and where Redis was looked for, if nobody has said where it is."""
    said = str(error)
    if isinstance(error, StoreUnavailable) and "TXN_REDIS_URL" not in os.environ:
        said += f" ({Settings().redis_url}, as TXN_REDIS_URL is not set and no `make run` runs in this folder)"
    return f"{error.field}: {said}" if isinstance(error, Invalid) and error.field not in said else said


app = typer.Typer(
    cls=_Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: [bold]0[/] done · [bold]1[/] the answer is no: not found, not done, or as bad as "
    "[bold]--fail-on[/] says · [bold]2[/] it could not be done: Redis or the API is away, or a setting or an "
    "option is wrong · [bold]130[/] Ctrl-C",
)
app.command("status")(status.status)
app.command("show")(show.show)
app.command("look")(look.look)
app.command("list")(listing.list_)
app.command("failed")(failed.failed)
app.command("replay")(replay.replay)
app.command("discard")(discard.discard)
app.command("pause")(pause.pause)
app.command("resume")(pause.resume)
app.command("limit")(limit.limit)
app.command("submit")(submit.submit)
app.command("doctor")(doctor.doctor)
app.command("divide")(divide.divide)
app.command("audit")(audit.audit)
app.add_typer(keys.keys, name="keys")
app.add_typer(callbacks.callbacks, name="callbacks")
app.command("hash-password")(hash_password.hash_command)
app.command("runs")(runs.runs)
app.command("journal")(journal.journal)
app.command("events")(events.events)
app.command("workers")(workers.workers)
app.command("completion")(completion.completion)
app.add_typer(runs.one, name="run")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"txn {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", metavar="", is_eager=True, callback=_version, help="Show the version.")
    ] = False,
) -> None:
    """Tools for those who run txn. Settings are the TXN_* variables of the environment, as for the API and workers."""
    logging.getLogger().addHandler(logging.NullHandler())  # commands say what they have to say themselves


def run() -> None:
    """The `txn` command, once everything is imported."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a letter is no reason to say nothing
    try:
        os.environ |= local_env(os.environ)
        app(prog_name="txn")
    except BadSettings as error:
        typer.echo(f"txn: {plain(str(error))}", err=True)
        sys.exit(2)
    except Exception:  # noqa: BLE001  (1 would be an answer)
        traceback.print_exc()
        sys.exit(2)
