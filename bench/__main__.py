"""`python -m bench [SCENARIO ...]`: all scenarios, or those whose names begin so; `--compare A B`: ratios."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import report, scenarios
from bench.nodes import nodes
from bench.outages import ALL_RETRIES_S, outages
from bench.scenarios import POSTING, Figures

#: name -> (full run, quick run)
SIZES = {"waiting": (50_000, 10_000), "seconds": (60, 10), "due": (100_000, 20_000), "records": (200_000, 20_000)}
RATE = 1_000
BACKLOGS = ((0, 100_000, 1_000_000), (0, 50_000))


def main(
    names: Annotated[list[str] | None, typer.Argument(help="accept, deliver, plain, whole, idle, hanging, ...")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="smaller and shorter: for a look, not for figures")] = False,
    rate: Annotated[int, typer.Option(help="submits a second in `whole`")] = RATE,
    compare: Annotated[tuple[Path, Path] | None, typer.Option(help="two result files: print ratios")] = None,
) -> None:
    """Measure this machine, or compare two measurements."""
    console = Console()
    if compare:
        report.compare(*compare, console)
        return
    results: dict[str, Figures] = {}
    for name, scenario in _all(quick, rate).items():
        if not names or any(name.startswith(chosen) for chosen in names):
            console.print(f"{name} ...")
            results[name] = scenarios.undisturbed(scenario)
    for name, scenario in _long(quick, rate).items():
        if names and name in names:
            console.print(f"{name} ...")
            results[name] = scenario()
    _against_plain(results)
    report.show(results, console)
    console.print(f"written to {report.save(results)}")


def _all(quick: bool, rate: int) -> dict[str, Callable[[], Figures]]:
    size = {name: sizes[quick] for name, sizes in SIZES.items()}
    seconds, waiting = size["seconds"], size["waiting"]
    found: dict[str, Callable[[], Figures]] = {
        "accept": partial(scenarios.accept, min(seconds, 20)),
        "batch": partial(scenarios.batch, min(seconds, 20)),
        "plain": partial(scenarios.plain, waiting // 5),
    }
    for posting in POSTING:
        found[f"deliver {posting}"] = partial(scenarios.deliver, waiting, posting)
    for posting in POSTING:
        found[f"whole {posting}"] = partial(scenarios.whole, rate, seconds, posting)
    found["idle"] = partial(scenarios.idle, seconds)
    found["hanging"] = partial(scenarios.hanging, 10, 1 if quick else 4)
    found["tenth"] = partial(scenarios.tenth, 300, 15 if quick else 120)
    found["away"] = partial(scenarios.away, size["waiting"] // 2, 20 if quick else 30)
    found["recover"] = partial(scenarios.recover, size["due"])
    found["memory"] = partial(scenarios.memory, size["records"])
    found["backlog"] = partial(scenarios.backlog, BACKLOGS[quick], 10)
    return found


def _long(quick: bool, rate: int) -> dict[str, Callable[[], Figures]]:
    """Only when asked for: up to half an hour each."""
    size = {name: sizes[quick] for name, sizes in SIZES.items()}
    return {
        "keys": partial(scenarios.keys, rate, min(size["seconds"], 20), 1 if quick else 5),
        "limits": partial(scenarios.limits, size["waiting"], rate, size["seconds"], 1 if quick else 5),
        "nodes": partial(nodes, rate // 5, min(size["seconds"], 20)),
        "outages": partial(outages, 300, 30 if quick else ALL_RETRIES_S),
    }


def _against_plain(results: dict[str, Figures]) -> None:
    plain = results.get("plain", {}).get("delivered_per_s")
    if plain and "deliver 0 ms" in results:
        results["deliver 0 ms"]["times_plain"] = round(results["deliver 0 ms"]["delivered_per_s"] / plain, 2)


if __name__ == "__main__":
    typer.run(main)
