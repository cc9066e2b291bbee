"""`txn look`: what the posting service says of one transaction now."""

from collections.abc import Iterator
from typing import Annotated

import simplejson
import typer

from txn.cli.connect import open_tools
from txn.cli.details import facts
from txn.cli.output import AsJson, print_json, write
from txn.cli.show import found
from txn.model.transaction import rfc3339
from txn.operate.looks import Look
from txn.posting.results import Unknown

_SAID = {
    "same": "it is there, with our content",
    "different": "it is there, with other content",
    "absent": "it is not there",
    "unknown": "no answer that says anything",
}


def look(
    name: Annotated[str, typer.Argument(metavar="ID", help="A transaction's id, or the Idempotency-Key it came with.")],
    as_json: AsJson = False,
) -> None:
    """Ask the posting service about one transaction, and show both contents. Only a GET is sent; nothing is changed.

    [bold]txn look 084b7c9d-70bc-5d9c-9ef6-08788f8b0ad4[/]
    """
    tools = open_tools()
    details = found(tools.details, name)
    seen = tools.looks.look(details)
    if as_json:
        print_json(_document(details.id, seen))
    else:
        write(facts(_facts(details.id, seen)))
    if seen.what == "unknown":
        raise typer.Exit(1)


def _facts(transaction_id: str, seen: Look) -> Iterator[tuple[str, str]]:
    yield "id", transaction_id
    detail = f": {seen.result.detail}" if isinstance(seen.result, Unknown) else ""
    yield "posting service", _SAID[seen.what] + detail
    for side in seen.sides:
        yield f"{side.name}{' (differs)' if side.differs else ''}", f"ours   {_shown(side.ours)}"
        yield "", f"theirs {_shown(side.theirs)}"


def _shown(value: object) -> str:
    return str(simplejson.dumps(value, use_decimal=True, ensure_ascii=False))


def _document(transaction_id: str, seen: Look) -> dict[str, object]:
    return {
        "id": transaction_id,
        "at": rfc3339(seen.at_ms),
        "found": seen.what,
        "detail": seen.result.detail if isinstance(seen.result, Unknown) else None,
        "differs": [side.name for side in seen.sides if side.differs],
        "row": seen.row,
    }
