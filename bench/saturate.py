"""As many submits as the API takes: wrk where it is installed, else the schedule of ops.load set far too fast."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ops.load import BODY

CONNECTIONS = 32
#: More than one core of anything here can take.
TOO_FAST = 6_000

_SCRIPT = f"""
wrk.method = "POST"
wrk.body = '{BODY.decode()}'
wrk.headers["Content-Type"] = "application/json"
done = function(summary, latency)
  local ms = function(share) return latency:percentile(share) / 1000 end
  io.stderr:write(string.format(
    '{{"requests_per_s": %.1f, "p50_ms": %.2f, "p99_ms": %.2f, "p99_9_ms": %.2f, "errors": %d}}',
    summary.requests / summary.duration * 1e6, ms(50), ms(99), ms(99.9),
    summary.errors.status + summary.errors.timeout + summary.errors.connect + summary.errors.read))
end
"""


def saturate(url: str, seconds: int, core: int) -> dict[str, float]:
    """{requests_per_s, p50_ms, p99_ms, p99_9_ms, errors} of submits from `core`."""
    pinned = ["taskset", "-c", str(core)]
    if not shutil.which("wrk"):
        command = [*pinned, sys.executable, "-m", "ops.load", url, str(TOO_FAST), str(seconds)]
        found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        return {"requests_per_s": found["answers_per_s"]} | {name: found[name] for name in ("p50_ms", "p99_ms")}
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "submit.lua"
        script.write_text(_SCRIPT)
        command = [*pinned, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}", "-s", str(script)]
        done = subprocess.run([*command, f"{url}/api/transactions"], capture_output=True, check=True)
    figures: dict[str, float] = json.loads(done.stderr)
    return figures
