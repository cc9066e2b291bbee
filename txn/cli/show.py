"""`txn show`: everything about one transaction."""

import contextlib
from collections.abc import Iterator
from typing import Annotated, Any

import simplejson
import typer
from rich import box
from rich.table import Table
from rich.text import Text

from txn.admin import show as look
from txn.cli.connect import open_parts
from txn.cli.output import AsJson, console, plain, print_json
from txn.errors import Invalid, NotFound
from txn.model.content import loads
from txn.model.submission import checked_id, id_for_key
from txn.model.transaction import rfc3339
from txn.store.details import DetailReader, Details, Event

_TIMES = ("submitted", "completed", "next", "lease", "doubt", "queued", "tried")
_STYLES = {"completed": "green", "failed": "red", "processing": "cyan", "pending": "yellow"}


def show(
    name: Annotated[str, typer.Argument(metavar="ID", help="A transaction's id, or the Idempotency-Key it came with.")],
    as_json: AsJson = False,
) -> None:
    """Show one transaction: its state, its content, and what was tried, attempt by attempt.

    [bold]txn show 084b7c9d-70bc-5d9c-9ef6-08788f8b0ad4[/]

    [bold]txn show order-12345[/]
    """
    details = _found(open_parts().details, name)
    if as_json:
        print_json(_document(details))
        return
    out = console()
    out.print(Text(details.id, style="bold"), Text(_state(details), style=_STYLES.get(details.record["status"], "")))
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for label, value in _facts(details):
        facts.add_row(label, Text(plain(value)))
    out.print(facts)
    if details.history:
        out.print(_timeline(details.history))


def _found(reader: DetailReader, name: str) -> Details:
    """By its id, else by its key. Raises: NotFound."""
    for candidate in _candidates(name):
        if reader.exists(candidate):
            return reader.read(candidate)
    raise NotFound(f"no transaction has the id or the key {plain(name)!r}")


def _candidates(name: str) -> Iterator[str]:
    with contextlib.suppress(Invalid):
        yield checked_id(name)
    yield id_for_key(name)


def _state(details: Details) -> str:
    record, more = details.record, ""
    if details.discarded:
        more = ", discarded"
    elif record.get("uncertain"):
        more = ", in doubt"
    return record["status"] + more


def _facts(details: Details) -> Iterator[tuple[str, str]]:
    yield from _past(details)
    yield "attempts", details.record.get("attempts", "0")
    yield from _ahead(details)
    if gone := details.discarded:
        yield "discarded", f"by {gone.by}: {gone.why}"
    for name, value in _content(details).items():
        yield name, value if isinstance(value, str) else simplejson.dumps(value, use_decimal=True, ensure_ascii=False)


def _past(details: Details) -> Iterator[tuple[str, str]]:
    record, now_ms = details.record, details.now_ms
    if submitted := details.ms("submitted"):
        yield "submitted", f"{look.utc(submitted)}  {look.ago(submitted, now_ms)}"
    if submitted and (ended := details.ms("completed")):
        yield record["status"], f"{look.utc(ended)}  after {look.span(ended - submitted)}"
    if evidence := record.get("evidence"):
        yield "evidence", evidence
    if code := record.get("code"):
        yield "error", f"{code}: {record.get('detail', '')}"
    elif error := record.get("error"):
        yield "last error", error


def _ahead(details: Details) -> Iterator[tuple[str, str]]:
    record, now_ms = details.record, details.now_ms
    if record["status"] == "pending" and (following := details.ms("next")):
        yield "next attempt", look.ago(following, now_ms)
    if record["status"] == "processing" and (lease := details.ms("lease")):
        yield "lease ends", look.ago(lease, now_ms)
    if record.get("uncertain") and (doubt := details.ms("doubt")):
        yield "in doubt until", f"{look.utc(doubt)}  nobody posts before that"


def _timeline(history: list[Event]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("time", "attempt", "outcome", "http", "took"):
        table.add_column(column, no_wrap=True, justify="right" if column in ("attempt", "took") else "left")
    table.add_column("detail", overflow="fold")
    for event in history:
        attempt = "" if event.attempt is None else f"{event.attempt}"
        took = "" if event.ms is None else look.span(event.ms)
        said = " ".join(filter(None, [event.detail, event.why]))
        who = event.by or event.worker or ""
        detail = f"{said}  {who}".strip()
        http = "" if event.http is None else str(event.http)
        cells = (look.clock(event.at_ms), attempt, event.outcome or event.what or "", http, took, detail)
        table.add_row(*(Text(plain(cell)) for cell in cells))
    return table


def _content(details: Details) -> dict[str, Any]:
    try:
        found = loads(details.payload)
    except ValueError:
        return {"content": "cannot be read"}
    return found if isinstance(found, dict) else {"content": found}


def _document(details: Details) -> dict[str, Any]:
    """Times as in the API; `record` as it is in Redis."""
    times = {f"{name}At": rfc3339(ms) for name in _TIMES if (ms := details.ms(name))}
    events = [
        {"at": rfc3339(event.at_ms)}
        | {name: value for name in Event.__slots__ if name != "at_ms" and (value := getattr(event, name)) is not None}
        for event in details.history
    ]
    return {
        "id": details.id,
        "status": details.record["status"],
        **times,
        "content": _content(details),
        "history": events,
        "record": dict(sorted(details.record.items())),
    }
