"""`make swarm`: brings up a whole txn, lets the swarm loose on it, and ends with its verdict.

With TXN_SWARM_HOST it brings up nothing: the swarm goes there, and the audit reads TXN_REDIS_URL and TXN_POSTING_URL.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from ops.drill.stand import Stand
from ops.mock_posting.faults import BadFaults, Faults, parse_faults
from ops.stand import ROOT

LOCUST = ROOT / ".venv-swarm/bin/locust"


def main() -> int:
    """The exit code: locust's."""
    parser = argparse.ArgumentParser(prog="python -m ops.swarm", description=__doc__, epilog="the rest is for locust")
    parser.add_argument("--web", action="store_true", help="locust's web page instead of one run from here")
    parser.add_argument("--faults", default="", help="of the posting service, such as fail_after=0.1,latency_ms=50")
    options, rest = parser.parse_known_args()
    try:
        faults = parse_faults(options.faults)
    except BadFaults as error:
        parser.error(f"--faults {options.faults}: {error}")
    if os.environ.get("TXN_SWARM_HOST") and faults != Faults():
        parser.error("--faults are for a posting service of its own: take TXN_SWARM_HOST away")
    if not LOCUST.exists():
        parser.error(f"there is no {LOCUST.relative_to(ROOT)}: `make swarm` makes it")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is stopped
    web, once = ["--web-host", "127.0.0.1"], ["--headless", "--only-summary", "--loglevel", "WARNING"]
    with system(faults) as environment:
        return swarm([*(web if options.web else once), *rest], environment)


@contextlib.contextmanager
def system(faults: Faults) -> Iterator[Mapping[str, str]]:
    """What the swarm must be told to find the system, its own or the one of TXN_SWARM_HOST."""
    own = dict(os.environ) | {"TXN_SWARM_PYTHON": sys.executable}
    if os.environ.get("TXN_SWARM_HOST"):
        yield own
        return
    folder = ROOT / ".txn" / "swarms" / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}"
    folder.mkdir(parents=True)
    print(
        f"swarm: starting Valkey, a posting service, the API and workers; logs in {folder.relative_to(ROOT)}",
        flush=True,
    )
    with Stand(folder) as stand:
        stand.mock.faults(**faults.model_dump(exclude_none=True))
        yield own | stand.environment() | {"TXN_SWARM_HOST": stand.url}


def swarm(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run locust to its end. Ctrl-C is for locust, which is at the same terminal: it stops, and judges what it has."""
    command = [str(LOCUST), "-f", "ops/locustfile.py", *arguments]
    with subprocess.Popen(command, cwd=ROOT, env=environment) as running:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            return running.wait()
        except SystemExit:  # SIGTERM: whoever sends that does not wait for a verdict
            running.kill()
            raise


if __name__ == "__main__":
    sys.exit(main())
