"""`python -m tests.hostile.described`: schemathesis against the real API. Arguments go to it; so does the exit code."""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.system.stack import ROOT, Stack

COMMAND = ROOT / ".venv-schema/bin/schemathesis"
#: An answer may be asked to wait for longer than schemathesis does by itself.
PATIENCE = ["--request-timeout", "60"]


def main(arguments: list[str]) -> int:
    config = ["--config-file", str(Path(__file__).with_name("schemathesis.toml"))]
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder), {"TXN_ALLOW_CLEANUP": "0"}) as stack:
        run = ["run", f"{stack.url}/openapi.json", "--continue-on-failure", *PATIENCE, *arguments]
        return subprocess.run([COMMAND, *config, *run], cwd=folder, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
