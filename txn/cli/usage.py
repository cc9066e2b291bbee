"""What was wrong with a command line, as one sentence like every other error."""

from collections.abc import Sequence

import typer

#: Words of the libraries, and ours.
_OURS = {". Did you mean": "; did you mean", "Value error, ": "", ": Input should": ": it should"}


def sentence(error: typer.TyperException) -> str:
    """Empty if there is nothing to say: the help was asked for, and shown."""
    command = getattr(getattr(error, "ctx", None), "command_path", "txn")
    said = _said(error)
    if not said:
        return ""
    way = "" if said.endswith("?") else f": see {command} --help"
    return f"{command}: {said}{way}"


def _said(error: typer.TyperException) -> str:
    alike: Sequence[str] = getattr(error, "possibilities", None) or ()
    if alike:
        return f"there is no option {getattr(error, 'option_name', '')}; did you mean {alike[0]}?"
    said = error.format_message().strip().removesuffix(".")
    for theirs, ours in _OURS.items():
        said = said.replace(theirs, ours)
    return said[:1].lower() + said[1:]
