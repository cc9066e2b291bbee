"""The one log of several processes."""

import os
import sys
import threading
from collections.abc import Sequence


class Log:
    """Standard output: whole lines, from any thread, each with the name of who says it."""

    def __init__(self, names: Sequence[str]) -> None:
        self._width = max(map(len, names))
        self._colours = {name: 36 - number % 6 for number, name in enumerate(names)}  # cyan, magenta, blue, ...
        self._plain = not sys.stdout.isatty() or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        self._lock = threading.Lock()

    def line(self, name: str, text: str) -> None:
        """A line as it came: what a terminal could take for a command is replaced."""
        prefix = f"{name:<{self._width}} | "
        if not self._plain:
            prefix = f"\x1b[{self._colours[name]}m{prefix}\x1b[0m"
        self.write(prefix + "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in text))

    def write(self, text: str) -> None:
        encoding = sys.stdout.encoding
        with self._lock:
            try:
                print(text.encode(encoding, "replace").decode(encoding), flush=True)
            except OSError:  # nobody reads any more; the work goes on
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
