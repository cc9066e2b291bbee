"""`txn divide`: raise the number of partitions, or begin with them, by a copy of all transactions."""

import os
from typing import Annotated

import typer

from txn.cli.output import console, write
from txn.composition.databases import open_database
from txn.errors import Invalid
from txn.partitions.division import Division, Side
from txn.readers import formats
from txn.settings import Settings

#: A chunk of records is read or written in one call.
TIMEOUT_MS = 30_000


def divide(
    from_prefix: Annotated[str, typer.Option("--from-prefix", metavar="PREFIX", help="TXN_PREFIX until now.")],
    from_partitions: Annotated[
        int, typer.Option("--from-partitions", metavar="N", help="TXN_PARTITIONS until now; 0: none.")
    ] = 0,
    from_url: Annotated[
        str,
        typer.Option("--from-url", metavar="URL", envvar="FROM_REDIS_URL", help="TXN_REDIS_URL until now, if another."),
    ] = "",
) -> None:
    """Copy all transactions to the TXN_PREFIX and the TXN_PARTITIONS that are set now. Every other process is stopped.

    Nothing may be unfinished. What was copied stays where it was, closed to every process. Run it again if it was cut
    short.

    [bold]TXN_PREFIX=txn2: TXN_PARTITIONS=16 txn divide --from-prefix txn: --from-partitions 8[/]
    """
    settings = Settings.from_environment(os.environ)
    if not settings.partitions:
        raise Invalid("TXN_PARTITIONS", "set the number that there shall be, and a TXN_PREFIX that was never used")
    given = {"TXN_PREFIX": from_prefix, "TXN_PARTITIONS": str(from_partitions)}
    before = Settings.from_environment(os.environ | given | ({"TXN_REDIS_URL": from_url} if from_url else {}))
    if (before.redis_url, before.prefix) == (settings.redis_url, settings.prefix):
        raise Invalid("TXN_PREFIX", "the copy needs another one than before: set one that was never used, as in txn2:")
    source, target = (Side(open_database(one, TIMEOUT_MS, agrees=False), one) for one in (before, settings))
    with console().status("copying") as shown:
        copied = Division(source, target, shown.update).run()
    what = f"{formats.number(copied)} transactions were copied" if copied else "All was copied before"
    write(f"{what}. Start every process with TXN_PREFIX={settings.prefix} TXN_PARTITIONS={settings.partitions}")
