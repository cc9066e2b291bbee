"""One transaction for people: what is known of it, and what was tried."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import simplejson
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from txn.cli.output import plain
from txn.model.content import loads
from txn.model.transaction import ErrorCode
from txn.readers import formats
from txn.readers.details import Details, Event

_STYLES = {"completed": "green", "failed": "red", "processing": "cyan", "pending": "yellow"}
#: Where the second line of an event begins: under its outcome.
_INDENT = 16


def page(details: Details) -> Group:
    """State, facts, and the timeline if there is one."""
    state = Text(_state(details), style=_STYLES.get(details.status, ""))
    tools: list[RenderableType] = [Text.assemble((details.id, "bold"), " ", state), facts(_facts(details))]
    if details.history:
        tools += ["", *_timeline(details.history)]
    return Group(*tools)


def facts(pairs: Iterable[tuple[str, str]]) -> Table:
    """Names and values, whatever is in them."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in pairs:
        table.add_row(Text(plain(label)), Text(plain(value)))
    return table


def content(details: Details) -> dict[str, Any]:
    """What the client sent; numbers are Decimals."""
    try:
        found = loads(details.payload)
    except ValueError:
        return {"content": "cannot be read"}
    return found if isinstance(found, dict) else {"content": found}


def _state(details: Details) -> str:
    more = ""
    if details.discarded:
        more = ", discarded"
    elif details.in_doubt:
        more = ", in doubt"
    return details.status + more


def _facts(details: Details) -> Iterator[tuple[str, str]]:
    yield from _past(details)
    yield "attempts", details.record.get("attempts", "0")
    yield from _ahead(details)
    if gone := details.discarded:
        yield "discarded", f"by {gone.by}: {gone.why}"
    for name, value in content(details).items():
        yield name, value if isinstance(value, str) else simplejson.dumps(value, use_decimal=True, ensure_ascii=False)


def _past(details: Details) -> Iterator[tuple[str, str]]:
    record, now_ms = details.record, details.now_ms
    if client := record.get("client"):
        yield "client", client
    if trace := details.trace_id:
        yield "trace", trace
    if submitted := details.ms("submitted"):
        yield "submitted", f"{formats.utc(submitted)}  {formats.ago(submitted, now_ms)}"
    if submitted and (ended := details.ms("completed")):
        yield details.status, f"{formats.utc(ended)}  after {formats.span(ended - submitted)}"
    if expiry := details.ms("deliver_by"):
        yield "deliver by", f"{formats.utc(expiry)}  {formats.ago(expiry, now_ms)}"
    if evidence := record.get("evidence"):
        yield "evidence", f"{evidence}: {formats.means(evidence)}"
    if code := record.get("code"):
        yield "error", f"{code}: {record.get('detail', '')}"
        yield "that is", formats.means(code)
        if code == ErrorCode.EXHAUSTED and (ended := details.ms("completed")):
            yield "last looked for", f"{formats.utc(ended)}  {formats.ago(ended, now_ms)}: it was not there"
    elif error := record.get("error"):
        yield "last error", error


def _ahead(details: Details) -> Iterator[tuple[str, str]]:
    now_ms = details.now_ms
    if details.status == "pending" and (following := details.ms("next")):
        yield "next attempt", formats.ago(following, now_ms)
    if details.status == "processing" and (lease := details.ms("lease")):
        yield "lease ends", formats.ago(lease, now_ms)
    if details.in_doubt and (doubt := details.ms("doubt")):
        yield "in doubt until", f"{formats.utc(doubt)}  nothing is posted before then"


def _timeline(history: Sequence[Event]) -> Iterator[RenderableType]:
    """An event a line, and what it says under it: so it fits into 80 columns."""
    yield Text(_line("time", "try", "outcome", "http", "took", "by"), style="dim")
    for event in history:
        outcome = (event.outcome or event.what or "").replace("_", " ")
        attempt, http = ("" if number is None else str(number) for number in (event.attempt, event.http))
        took = "" if event.ms is None else formats.span(event.ms)
        by = event.by or event.worker or ""
        yield Text(plain(_line(formats.clock(event.at_ms), attempt, outcome, http, took, by)))
        if said := " ".join(filter(None, [event.detail, event.why])):
            yield Padding(Text(plain(said), style="dim", overflow="fold"), (0, 0, 0, _INDENT + 2))


def _line(time: str, attempt: str, outcome: str, http: str, took: str, by: str) -> str:
    return f"{time:<12} {attempt:>3}  {outcome:<11}  {http:<4}  {took:>6}  {by}".rstrip()
