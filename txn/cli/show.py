"""`txn show`: everything about one transaction."""

import contextlib
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from txn.cli.connect import open_tools
from txn.cli.details import content, facts, page
from txn.cli.output import AsJson, plain, print_json, write
from txn.errors import Invalid, NotFound
from txn.model.ids import checked_id, id_for_key
from txn.model.transaction import rfc3339
from txn.readers.details import DetailReader, Details, Event

_TIMES = ("submitted", "deliver_by", "completed", "next", "lease", "doubt", "queued", "tried")

#: As the API calls it.
_NAMES = {"deliver_by": "deliverBy"}


def show(
    name: Annotated[str, typer.Argument(metavar="ID", help="A transaction's id, or the Idempotency-Key it came with.")],
    raw: Annotated[bool, typer.Option("--raw", metavar="", help="The record as it is in Redis.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show one transaction: its state, its content, and every attempt.

    [bold]txn show 084b7c9d-70bc-5d9c-9ef6-08788f8b0ad4[/]

    [bold]txn show order-12345[/]
    """
    details = found(open_tools().details, name)
    if as_json:
        print_json(_document(details))
    elif raw:
        write(facts(_raw(details)))
    else:
        write(page(details))


def found(reader: DetailReader, name: str) -> Details:
    """By its id, else by its key. Raises: NotFound."""
    for candidate in _candidates(name):
        if reader.exists(candidate):
            return reader.read(candidate)
    raise NotFound(f"no transaction has the id or the key {plain(name)!r}")


def _candidates(name: str) -> Iterator[str]:
    with contextlib.suppress(Invalid):
        yield checked_id(name)
    yield id_for_key(name)


def _raw(details: Details) -> Iterator[tuple[str, str]]:
    for name, value in sorted(details.record.items()):
        first, *more = value.splitlines() or [""]
        yield name, first
        yield from (("", line) for line in more)
    yield "payload", details.payload.decode(errors="replace")


def _document(details: Details) -> dict[str, Any]:
    """Times as in the API; `record` as it is in Redis."""
    times = {_NAMES.get(name, f"{name}At"): rfc3339(ms) for name in _TIMES if (ms := details.ms(name))}
    events = [
        {"at": rfc3339(event.at_ms)}
        | {name: value for name in Event.__slots__ if name != "at_ms" and (value := getattr(event, name)) is not None}
        for event in details.history
    ]
    return {
        "id": details.id,
        "status": details.status,
        **times,
        "content": content(details),
        "history": events,
        "record": dict(sorted(details.record.items())),
    }
