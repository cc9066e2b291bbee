"""Looks on while the workers move a bulk run on."""

import sys
import time

import typer
from rich import progress
from rich.console import Console

from txn.errors import StoreUnavailable
from txn.parts import Parts
from txn.store.bulk_runs import Run

INTERVAL_S = 0.2


def follow(parts: Parts, run_id: str, who: str) -> Run:
    """Until it is over. Ctrl-C ends the looking on, and asks whether the run shall end too."""
    try:
        return _until_over(parts, run_id)
    except StoreUnavailable as error:
        raise StoreUnavailable(f"{error}. The run goes on when Redis is back: /admin/bulk/{run_id}") from None
    except KeyboardInterrupt:
        if sys.stdin.isatty() and typer.confirm("\nStop the run? What it has done stays done.", err=True):
            parts.operations.stop_run(run_id, who)
            return parts.runs.read(run_id)
        typer.echo(f"The run goes on without you: /admin/bulk/{run_id}", err=True)
        raise


def _until_over(parts: Parts, run_id: str) -> Run:
    with progress.Progress(
        progress.SpinnerColumn(),
        progress.TextColumn("{task.description}"),
        progress.BarColumn(bar_width=20),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as bar:
        task = bar.add_task("", total=None)
        while True:
            run = parts.runs.read(run_id)
            bar.update(task, description=_doing(parts, run), completed=run.looked, total=run.total)
            if run.state != "running":
                return run
            time.sleep(INTERVAL_S)


def _doing(parts: Parts, run: Run) -> str:
    if not parts.statistics.read().workers:
        return "waits for a worker"
    return "replaying" if run.what.value == "replay" else "discarding"
