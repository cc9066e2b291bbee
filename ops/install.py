"""`python ops/install.py requirements/X.txt [pip's options]`: pip, with one line that moves on a terminal.

For a Python that has nothing installed yet.
"""

import re
import subprocess
import sys
import time

_WIDTH = 70
_COLLECTED = re.compile(r"Collecting ([\w.-]+)")


def main(file: str, options: list[str]) -> int:
    """pip's exit code. All that it said is shown only if it has failed."""
    said: list[str] = []
    moving, began = sys.stdout.isatty(), time.monotonic()
    print(f"Installing {file}" + (" ..." if not moving else ""), end="" if moving else "\n", flush=True)
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", *options, "-r", file]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as pip:
        for line in pip.stdout or ():
            said.append(line)
            if moving:
                print(f"\r{_progress(file, said):<{_WIDTH}}", end="", flush=True)
    if moving:
        print(f"\r{f'Installed {file} in {time.monotonic() - began:.0f} s':<{_WIDTH}}", flush=True)
    if pip.returncode:
        print("".join(said[-40:]), file=sys.stderr)
        print(f"make: {file} could not be installed: the reason is above (no network? a proxy?)", file=sys.stderr)
    return pip.returncode


def _progress(file: str, said: list[str]) -> str:
    collected = list(dict.fromkeys(found[1] for line in said if (found := _COLLECTED.match(line))))
    if said[-1].startswith("Installing collected"):
        return f"Installing {file}: unpacking {len(collected)}"
    return f"Installing {file}: {len(collected)} {collected[-1] if collected else ''}"[:_WIDTH]


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1], sys.argv[2:]))
    except KeyboardInterrupt:
        print()
        sys.exit(130)
