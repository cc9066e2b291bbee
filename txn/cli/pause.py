"""`txn pause` and `txn resume`: nothing goes out for a while."""

import time
from datetime import datetime, timedelta
from typing import Annotated

import typer

from txn.cli.connect import open_tools
from txn.cli.output import Who, operator, plain, write
from txn.cli.times import length_ms
from txn.errors import Invalid
from txn.readers import formats


def pause(
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="For whoever finds it paused.")],
    until: Annotated[
        str, typer.Option("--until", metavar="TIME", help="06:00 on this machine's clock, or 30m, 1h30m, 1d from now.")
    ] = "",
    who: Who = "",
) -> None:
    """Let nothing go out to the posting service. Submits are accepted, what is in flight ends, no attempt is used up.

    [bold]txn pause --why 'their database is moved' --until 06:00[/]
    """
    who, until_ms = operator(who), _end(until, datetime.now().astimezone())
    open_tools().pauses.pause(who, why, until_ms)
    end = "until somebody resumes it" if until_ms is None else f"until {formats.utc(until_ms)}"
    write(f"Paused {end}.")


def resume(who: Who = "") -> None:
    """Let transactions go out again, the oldest first.

    [bold]txn resume[/]
    """
    if open_tools().pauses.resume(operator(who)):
        write("Resumed.")
    else:
        write("Nothing was paused.")
        raise typer.Exit(1)


def _end(text: str, now: datetime) -> int | None:
    """Raises: Invalid."""
    text = text.strip()
    if not text:
        return None
    if (ahead_ms := length_ms(text)) is not None:
        return time.time_ns() // 1_000_000 + ahead_ms
    try:
        at = datetime.strptime(text, "%H:%M")  # noqa: DTZ007  (a time of day; the zone is this machine's)
    except ValueError:
        raise Invalid(
            "--until", f"--until {plain(text)}: give a time of day, 06:00, or 30m, 1h30m, 1d from now"
        ) from None
    end = now.replace(hour=at.hour, minute=at.minute, second=0, microsecond=0)
    return round((end if end > now else end + timedelta(days=1)).timestamp() * 1000)
