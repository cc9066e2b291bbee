"""`make evening`: an evening of trouble with the real processes, and what each page says of it, moment by moment.

Outage, hang, slow service, killed worker, dead letters. For each moment a file has what `/api/health`, `txn status` and
the overview say; beside it, where Chromium is installed, a picture. Read them as an operator: is anything wrong, since
when, why, what do I do? Exit code 1: a page did not name the trouble, named it when it was over, or the audit failed.
"""

import argparse
import html
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import requests

from ops.load import Load
from ops.login import NAME, new_login
from ops.stand import ROOT, Stand, get

#: Short times, in the proportions of the defaults.
SETTINGS = {
    "TXN_POSTING_TIMEOUT_MS": "2000",
    "TXN_DOUBT_WINDOW_MS": "4000",
    "TXN_MIN_BACKOFF_MS": "200",
    "TXN_MAX_BACKOFF_MS": "5000",
}
RATE = 40
QUIET_WITHIN_S = 240.0
#: How long a page may take to say it, and to say no more that it is so, on a machine that has nothing to spare.
PATIENCE_S = 120.0
#: Longer than any evening: the load is ended when it is over.
LONGEST_S = 3_600.0
#: After a worker's last heartbeat until somebody finds it dead, and a little more.
REAPED_S = 13.0


class Moment(NamedTuple):
    """`begin`, then `lasts_s`, then a look: `says` must be in the status, and `silent` must not be in its verdict."""

    name: str
    begin: Callable[["Evening"], None]
    lasts_s: float
    says: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()


class Evening:
    """One evening on one stand; everything is written into `folder`."""

    def __init__(self, stand: Stand, folder: Path, password: str, *, pictures: bool) -> None:
        self.stand, self._folder, self._pictures = stand, folder, pictures
        self._session = requests.Session()
        self._session.trust_env = False
        self._log_in(password)
        self.failures: list[str] = []

    def play(self, number: int, moment: Moment) -> None:
        """Let it happen, and look. If the pages do not say what they must, again: a machine may be slow."""
        moment.begin(self)
        time.sleep(moment.lasts_s)
        name, until_s = f"{number}-{moment.name}", time.monotonic() + PATIENCE_S
        while (wrong := self._look(name, moment)) and time.monotonic() < until_s:
            time.sleep(1)
        self.failures += wrong

    def _look(self, name: str, moment: Moment) -> list[str]:
        """Write down what is said: what of it is wrong."""
        page = self._session.get(f"{self.stand.url}/admin", timeout=10).text
        told = {f"txn {what}": self.stand.command(what).stdout for what in ("status", "events", "workers")}
        health = json.loads(get(self.stand.api_port, "/api/health") or b"{}")
        told |= {"overview": text_of(page), "/api/health": json.dumps(health, indent=2)}
        text = "\n\n".join(f"=== {what}\n{said.strip()}" for what, said in told.items())
        (self._folder / f"{name}.txt").write_text(text + "\n")
        if self._pictures:
            self._picture(page, self._folder / name)
        verdict = _verdict(told["txn status"])
        print(f"--- {name}\n{verdict}\n", flush=True)
        said, verdict = " ".join(text.split()), " ".join(verdict.split())
        return [f"{name}: nothing says {one!r}" for one in moment.says if one not in said] + [
            f"{name}: the verdict still says {one!r}" for one in moment.silent if one in verdict
        ]

    def _picture(self, page: str, path: Path) -> None:
        if (chromium := shutil.which("chromium")) is None:
            return
        path.with_suffix(".html").write_text(page.replace("<head>", f'<head><base href="{self.stand.url}/admin">', 1))
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1280,1500"]
        line = [chromium, *flags, f"--screenshot={path.with_suffix('.png')}", str(path.with_suffix(".html"))]
        subprocess.run(line, capture_output=True, timeout=60, check=False)

    def _log_in(self, password: str) -> None:
        form = self._session.get(f"{self.stand.url}/admin/login", timeout=10).text
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form))
        fields = hidden | {"name": NAME, "password": password}
        headers = {"Origin": self.stand.url}
        self._session.post(f"{self.stand.url}/admin/login", fields, headers=headers, timeout=30).raise_for_status()


def text_of(page: str) -> str:
    """What a page says, without what it is drawn with."""
    body = re.sub(
        r"(?s)<(script|style|svg|nav|form|figure)\b.*?</\1>", "", page.partition("<main")[2].partition(">")[2]
    )
    lines = re.sub(r"(?s)</(p|li|h\d|div|tr|dd|section)>|<br>", "\n", body)
    plain = html.unescape(re.sub(r"(?s)<[^>]*>", " ", lines))
    return "\n".join(line for line in (" ".join(line.split()) for line in plain.splitlines()) if line)


def _verdict(status: str) -> str:
    """What stands above the numbers and is wrong now: dimmed lines about what was are left out."""
    head = status.split("\n\n", maxsplit=1)[0].splitlines()
    return "\n".join(line for line in head if not re.match(r"  (\d\d:\d\d:\d\d UTC|\d{4}-)", line))


def _nothing(evening: Evening) -> None:
    """Look on."""


def _down(evening: Evening) -> None:
    evening.stand.mock.down()


def _up(evening: Evening) -> None:
    evening.stand.mock.up()


def _hangs(evening: Evening) -> None:
    evening.stand.mock.faults(hang_write=1.0, hang_ms=4_500)  # within the doubt window


def _slow(evening: Evening) -> None:
    evening.stand.mock.faults(latency_ms=1_300)


def _well(evening: Evening) -> None:
    evening.stand.mock.faults()


def _kill_a_worker(evening: Evening) -> None:
    evening.stand.mock.faults(latency_ms=300)
    time.sleep(1)  # something is in flight
    evening.stand.workers[0].kill()
    evening.stand.start_worker(processes=1)


def _rejects(evening: Evening) -> None:
    evening.stand.mock.faults(reject=0.5)


def _all_is_replayed(evening: Evening) -> None:
    evening.stand.mock.faults()
    evening.stand.command("replay", "--all", "--yes", "--as", "evening")
    evening.stand.until_quiet(QUIET_WITHIN_S)


MOMENTS = (
    Moment("calm", _nothing, 8, ("nothing is wrong",)),
    Moment("outage", _down, 20, ("The posting service does not answer", "connection refused", "See whether it runs")),
    Moment("outage-over", _up, 25, ("answers again, after",), ("does not answer", "attempts fail")),
    Moment("hang", _hangs, 25, ("does not answer POSTs", "no answer within 2 s", "no attempt is used up")),
    Moment("hang-over", _well, 30, ("answers again, after",), ("does not answer", "attempts fail")),
    Moment("slow", _slow, 45, ("The posting service is slow", "half of the calls take 1 s or longer")),
    Moment("slow-over", _well, 5, silent=("is slow",)),
    Moment("killed-worker", _kill_a_worker, REAPED_S, ("disappeared without a goodbye",)),
    Moment("dead-letters", _rejects, 10, ("wait for a decision", "of the attempts fail")),
    Moment("morning", _all_is_replayed, 3, ("nothing is wrong", "The posting service answers again")),
)


def evening(folder: Path, *, pictures: bool) -> list[str]:
    """Play all moments: what did not go as it must."""
    password, users = new_login({}) or ("", "")
    with Stand(folder, SETTINGS | {"TXN_ADMIN_USERS": users}) as stand:
        stand.start_worker(processes=1)
        stand.start_worker(processes=1)
        stand.start_api()
        stand.until_workers(2)
        load, found = Load(stand.url, RATE, LONGEST_S, "evening"), Evening(stand, folder, password, pictures=pictures)
        load.start()
        for number, moment in enumerate(MOMENTS[:-1]):
            found.play(number, moment)
        load.end()
        load.join()
        found.play(len(MOMENTS) - 1, MOMENTS[-1])
        stand.workers[1].stop()
        workers = stand.command("workers").stdout
        if workers.count("disappeared") != 1:
            found.failures.append(f"one worker was killed and one was stopped, and this is told:\n{workers}")
        stand.start_worker(processes=1)
        if (audit := stand.audit())["exit_code"]:
            found.failures.append(f"the audit: {audit}")
    return found.failures


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m ops.evening", description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / ".txn" / "evenings", help="where everything is written")
    parser.add_argument("--no-pictures", action="store_true", help="do not start Chromium")
    options = parser.parse_args()
    folder = options.folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    folder.mkdir(parents=True)
    print(f"about five minutes; what each page says is in {folder}\n", flush=True)
    failures = evening(folder, pictures=not options.no_pictures)
    print("\n".join(failures) or f"every trouble was named, and only while it lasted. Look at {folder}")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
