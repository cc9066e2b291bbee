"""`txn limit`: how much goes out at a time, and how fast."""

from typing import Annotated

import typer

from txn.cli.connect import open_tools
from txn.cli.output import Who, console, operator, plain
from txn.errors import Invalid
from txn.operate.limits import parse_rate
from txn.readers import formats


def limit(
    in_flight: Annotated[
        int | None,
        typer.Option("--in-flight", metavar="N", help="Most deliveries in flight, over all workers."),
    ] = None,
    rate: Annotated[
        str, typer.Option("--rate", metavar="RATE", help="Most deliveries that begin: 200/s, 90/min, 1000/h.")
    ] = "",
    none: Annotated[bool, typer.Option("--none", metavar="", help="No limit any more.")] = False,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="For whoever finds it limited.")] = "",
    who: Who = "",
) -> None:
    """Limit what goes out to the posting service. Without options: show the limits.

    Submits are accepted, and what waits stays queued. What is not named stays as it is.

    [bold]txn limit --in-flight 50 --rate 200/s --why 'their night batch'[/]
    """
    given = in_flight is not None or bool(rate)
    if none and given:
        raise Invalid("--none", "--none takes both limits away: give it alone, or name the new limits")
    tools = open_tools()
    if none or given:
        who, limits = operator(who), tools.limits
        changed = (
            limits.remove(who, why)
            if none
            else limits.set(who, why, in_flight=in_flight, rate=parse_rate(rate) if rate else None)
        )
        console().print("Changed." if changed else "That is what it was.")
    flow = tools.statistics.read().flow
    if flow.limits is None:
        console().print("Nothing is limited.")
        return
    console().print(f"At most {plain(formats.limits(flow.limits))}.")
    if by := formats.by_whom(flow.limits):
        console().print(plain(by))
