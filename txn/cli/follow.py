"""Counts what a bulk run would be over, and looks on while the workers move it on."""

import sys
import time

import typer
from rich import progress
from rich.console import Console

from txn.advice import START_WORKERS
from txn.errors import StoreUnavailable, Unavailable
from txn.model.dead_letter import Filter
from txn.operate.bulk_runs import Run
from txn.operate.tools import Tools
from txn.readers.dead_letters import Counted

INTERVAL_S = 0.2
#: So long without a live worker, and the looking on ends. A deployment takes less.
PATIENCE_S = 30.0


def follow(tools: Tools, run_id: str, who: str) -> Run:
    """Until it is over. Ctrl-C ends the looking on, and asks whether the run shall end too.

    Raises: StoreUnavailable; Unavailable if no worker has been alive for `PATIENCE_S`.
    """
    try:
        return _until_over(tools, run_id)
    except StoreUnavailable as error:
        raise StoreUnavailable(f"{error}. The run goes on when Redis is back: /admin/bulk/{run_id}") from None
    except KeyboardInterrupt:
        if sys.stdin.isatty() and typer.confirm("\nStop the run? What it has done is not undone.", err=True):
            tools.operations.stop_run(run_id, who)
            return tools.runs.read(run_id)
        typer.echo(f"The run goes on: /admin/bulk/{run_id}", err=True)
        raise


def count_all(tools: Tools, wanted: Filter) -> Counted:
    """All that match now, to the last: what is asked about. A bar says how far it is, if somebody looks.

    Raises: StoreUnavailable.
    """
    counted = tools.letters.begin(wanted)
    with _bar() as bar:
        task = bar.add_task("counting", total=counted.total)
        while not counted.exact:
            counted = tools.letters.counted(wanted, counted, lambda: True)
            bar.update(task, completed=counted.looked)
    return counted


def _until_over(tools: Tools, run_id: str) -> Run:
    with _bar() as bar:
        task = bar.add_task("", total=None)
        patience = _Patience(run_id)
        while True:
            run, alone = tools.runs.read(run_id), not tools.statistics.read().workers
            bar.update(task, description=_doing(run, alone=alone), completed=run.looked, total=run.total)
            if run.state != "running":
                return run
            patience.look(alone=alone)
            time.sleep(INTERVAL_S)


def _bar() -> progress.Progress:
    return progress.Progress(
        progress.SpinnerColumn(),
        progress.TextColumn("{task.description}"),
        progress.BarColumn(bar_width=20),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


class _Patience:
    """Ends when no worker has been alive for so long, without a break."""

    def __init__(self, run_id: str) -> None:
        self._run_id, self._alone_since_s = run_id, float("inf")

    def look(self, *, alone: bool) -> None:
        """Raises: Unavailable."""
        now_s = time.monotonic()
        if alone and self._alone_since_s == float("inf") and not sys.stderr.isatty():  # the bar says it there
            typer.echo(f"No worker is alive. This command waits up to {PATIENCE_S:.0f} s for one.", err=True)
        self._alone_since_s = min(self._alone_since_s, now_s) if alone else float("inf")
        if now_s - self._alone_since_s >= PATIENCE_S:
            raise Unavailable(
                f"no worker is alive, so run {self._run_id} waits: start one ({START_WORKERS}) and it goes on by "
                f"itself. Do not repeat it: /admin/bulk/{self._run_id} shows it, and can stop it"
            )


def _doing(run: Run, *, alone: bool) -> str:
    if alone:
        return "waits for a worker"
    return "replaying" if run.what.value == "replay" else "discarding"
