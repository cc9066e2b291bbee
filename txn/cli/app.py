"""All commands, and how each of them ends when it cannot do its work."""

import typer

from txn.cli import audit, hash_password

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("audit")(audit.audit)
app.command("hash-password")(hash_password.hash_command)


@app.callback()
def root() -> None:
    """Tools for those who run txn. Settings are the TXN_* variables of the environment, as for the API and workers."""
