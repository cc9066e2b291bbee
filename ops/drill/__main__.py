"""`make drill`: load, blows, quiet, audit. Exit code 0 only if all was done, and nothing lost, doubled or failed."""

import argparse
import contextlib
import json
import random
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from ops.drill.blows import BLOWS, QUICK, plan, strike
from ops.drill.recovery import Recoveries
from ops.drill.report import Report, make_report
from ops.drill.stand import STANDS
from ops.load import Load
from ops.stand import ROOT

QUIET_WITHIN_S = 180.0


def drill(folder: Path, rate: int, seconds: float, seed: int, quick: bool, topology: str = "single") -> Report:
    """Run one drill; logs, data and the report stay in <folder>/<time>-<seed>. Raises: TimeoutError."""
    folder = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{seed}"
    folder.mkdir(parents=True)
    draw, blows = random.Random(seed), plan(seed, seconds, QUICK if quick else BLOWS)
    print(f"drill with seed {seed}: {rate}/s for {seconds:g} s, logs in {folder}", flush=True)
    with STANDS[topology](folder) as stand:
        load, recoveries = Load(stand.url, rate, seconds, f"drill-{seed}"), Recoveries(lambda: stand.client)
        began = time.monotonic()
        load.start()
        for blow in blows:
            time.sleep(max(0.0, began + blow.at - time.monotonic()))
            print(f"  {time.monotonic() - began:5.1f} s  {blow.name}", flush=True)
            strike(stand, blow, draw)
            recoveries.watch(blow.name, load.accepted)
        load.join()
        quiet_after_s = stand.until_quiet(QUIET_WITHIN_S)
        recoveries.join()
        report = make_report(stand, load, seed, blows, recoveries.seconds, quiet_after_s)
    (folder / "report.json").write_text(json.dumps(asdict(report), indent=2))
    (folder / "report.txt").write_text("\n".join(report.lines()) + "\n")
    return report


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m ops.drill", description=__doc__)
    parser.add_argument("--rate", type=int, default=300, help="transactions a second")
    parser.add_argument("--seconds", type=float, default=60, help="how long the load lasts")
    parser.add_argument("--seed", type=int, default=None, help="the order and the times of the blows")
    parser.add_argument("--quick", action="store_true", help="blows of 2 s at the most")
    parser.add_argument("--topology", choices=STANDS, default="single", help="one Redis, or three behind sentinels")
    parser.add_argument("--folder", type=Path, default=ROOT / ".txn" / "drills", help="where logs and reports stay")
    options = parser.parse_args()
    seed = random.randrange(10_000) if options.seed is None else options.seed
    with contextlib.suppress(KeyboardInterrupt):
        report = drill(options.folder, options.rate, options.seconds, seed, options.quick, options.topology)
        print("\n".join(report.lines()))
        return 0 if report.passed else 1
    return 130


if __name__ == "__main__":
    sys.exit(main())
