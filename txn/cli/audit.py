"""`python -m txn audit`: reads the environment, shows progress, prints the report or the certificate."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Annotated, Self

import typer
from rich import progress
from rich.console import Console

from txn.audit.audit import Audit
from txn.audit.lookups import Lookups
from txn.audit.report import Report, certificate, conclusion
from txn.cli.audit_tables import print_report
from txn.cli.output import print_json, width
from txn.composition.databases import open_database
from txn.errors import Invalid, StoreUnavailable
from txn.model.ids import checked_id
from txn.operate.last_audit import LastAudit, LastAudits
from txn.partitions.parts import Parts
from txn.partitions.records import look_at_all, records_of
from txn.posting.listing import PostingList
from txn.posting.service import PostingService
from txn.posting.transports import open_transport
from txn.readers.records import ChosenRecords
from txn.settings import Settings
from txn.store.inspection import Durability

REDIS_TIMEOUT_MS = 10_000

_STAGES = {
    "integrity": "Comparing records with indexes and counters",
    "records": "Reading our records",
    "list": "Reading the posting service's list",
    "join": "Sorting",
    "again": "Reading again what was unfinished",
    "ask": "Asking the posting service one by one",
    "judge": "Comparing",
}


def audit(
    *,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="Write a certificate, for programs.")] = False,
    posting_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Default: TXN_POSTING_URL.", show_default=False)
    ] = None,
    only: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Audit only the ids in this file, one per line.", show_default=False),
    ] = None,
    shared: Annotated[
        bool, typer.Option("--shared", metavar="", help="Others write rows with UUIDs there, too: do not judge those.")
    ] = False,
) -> None:
    """Compare every accepted transaction with the posting service's list.

    Exit code [bold]0[/bold]: nothing is missing, doubled or different, and nothing is there that failed.

    Exit code [bold]1[/bold]: something is, or rows with ids like ours are unknown to us: Redis has lost them.

    Exit code [bold]2[/bold]: Redis or the posting service could not be read to the end, or its list is incomplete.

    [bold]txn audit[/]

    [bold]txn audit --json > certificate.json[/]
    """
    settings, ids = _settings(posting_url), None if only is None else _ids(only)
    with _audit(settings, ids) as (auditor, bar, audits), bar:
        report = replace(auditor.run(), durability=_durability(settings), shared=shared or only is not None)
        if ids is None and posting_url is None:
            _keep(audits, report)
    _print(report, settings, as_json=as_json)
    raise typer.Exit(report.exit_code)


def _settings(posting_url: str | None) -> Settings:
    override = {} if posting_url is None else {"TXN_POSTING_URL": posting_url}
    return Settings.from_environment(os.environ | override)


def _ids(path: Path) -> list[str]:
    """Raises: Invalid."""
    try:
        lines = (line.strip() for line in path.read_text().splitlines())
    except (OSError, ValueError) as error:
        raise Invalid("--only", f"--only {path} cannot be read: {error}") from None
    ids = [line for line in lines if line]
    for name in ids:
        try:
            checked_id(name)
        except Invalid:
            raise Invalid(
                "--only", f"--only {path} holds {name[:70]!r}, which is not an id: give one id per line"
            ) from None
    if not ids:
        raise Invalid("--only", f"--only {path} holds no ids: there is nothing to audit")
    return ids


@contextmanager
def _audit(settings: Settings, ids: Sequence[str] | None) -> Iterator[tuple[Audit, "_Bar", LastAudits]]:
    transport = open_transport(settings)
    service = PostingService(transport, settings.posting_timeout_ms)
    lookups = Lookups(service.find, transport.close)
    bar = _Bar()
    parts = Parts(open_database(settings, REDIS_TIMEOUT_MS), settings)
    records, audits = records_of(parts), LastAudits(parts.first)
    rows = PostingList(settings.posting_url).rows
    if ids is None:
        yield Audit(records, rows, lookups, lambda: look_at_all(parts), bar), bar, audits
    else:  # indexes and counters are about all of them
        yield Audit(ChosenRecords(records, ids), rows, lookups, list, bar), bar, audits


def _durability(settings: Settings) -> Durability:
    parts = Parts(open_database(settings, REDIS_TIMEOUT_MS), settings)
    monitor = parts.durability()
    monitor.check(parts.first.client)
    return monitor.latest or Durability("unknown")


def _keep(audits: LastAudits, report: Report) -> None:
    """For the overview. Whoever may only read audits all the same."""
    try:
        audits.keep(LastAudit(report.ended_ms, report.exit_code, report.accepted, conclusion(report)))
    except StoreUnavailable as error:
        typer.echo(f"The overview will not show this audit: it could not be written to Redis. {error}", err=True)


def _print(report: Report, settings: Settings, *, as_json: bool) -> None:
    if as_json:
        print_json(certificate(report, settings))
    else:
        print_report(report, Console(width=width()))


class _Bar:
    """Progress on standard error, if that is a terminal."""

    def __init__(self) -> None:
        self._progress = progress.Progress(
            progress.SpinnerColumn(),
            progress.TextColumn("{task.description}"),
            progress.BarColumn(bar_width=20),
            progress.TextColumn("{task.completed:,.0f}", style="progress.percentage"),
            progress.TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._task: progress.TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def stage(self, name: str, total: int | None) -> None:
        """See `Progress.stage`."""
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(_STAGES[name], total=total)

    def advance(self, count: int) -> None:
        """See `Progress.advance`."""
        if self._task is not None:
            self._progress.advance(self._task, count)
