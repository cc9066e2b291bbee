"""`txn completion`: what a shell needs to complete commands, options and error codes."""

from typing import Annotated, Literal

import typer
from typer.completion import get_completion_script  # type: ignore[attr-defined]


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> None:
    """Write the lines that make a shell complete `txn` with the Tab key. Put them where your shell reads its settings.

    [bold]txn completion bash >> ~/.bashrc[/]

    [bold]txn completion zsh >> ~/.zshrc[/]   (below the line with compinit)

    [bold]txn completion fish > ~/.config/fish/completions/txn.fish[/]
    """
    typer.echo(get_completion_script(prog_name="txn", complete_var="_TXN_COMPLETE", shell=shell))
