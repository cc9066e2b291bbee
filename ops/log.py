"""The one log of several processes, or a file for each."""

import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO


class Log:
    """Standard output: whole lines, from any thread, each with the name of who says it.

    With `folder`, what the others say goes into a file of each there, and only the first one is heard. The file of the
    last time is kept as `.1`.
    """

    def __init__(self, names: Sequence[str], folder: Path | None = None) -> None:
        self._files = {name: _fresh(folder / f"{name}.log") for name in names[1:]} if folder else {}
        names = names[:1] if folder else names
        self._width = max(map(len, names))
        self._colours = {name: 36 - number % 6 for number, name in enumerate(names)}  # cyan, magenta, blue, ...
        self._plain = not sys.stdout.isatty() or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        self._lock = threading.Lock()

    def line(self, name: str, text: str) -> None:
        """A line as it came: what a terminal could take for a command is replaced."""
        text = "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in text)
        if file := self._files.get(name):
            with self._lock:
                file.write(f"{text}\n")
            return
        prefix = f"{name:<{self._width}} | "
        if not self._plain:
            prefix = f"\x1b[{self._colours[name]}m{prefix}\x1b[0m"
        self.write(prefix + text)

    def write(self, text: str) -> None:
        encoding = sys.stdout.encoding
        with self._lock:
            try:
                print(text.encode(encoding, "replace").decode(encoding), flush=True)
            except OSError:  # nobody reads any more; the work goes on
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fresh(path: Path) -> IO[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.replace(path.with_suffix(".log.1"))
    return path.open("w", buffering=1, encoding="utf-8", errors="replace")
