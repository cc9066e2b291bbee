"""Rows that outlive the process: one a line, in a file."""

from pathlib import Path

import jiter

from ops.mock_posting.row import Row


class CannotKeep(Exception):
    """Names the file, and says why not."""


class Kept:
    """The rows of `path`, which is made if it is not there.

    A row is with the operating system before it is answered: it survives a kill, not a power cut.
    Raises: CannotKeep.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.rows = _whole_rows(path)
            self._file = path.open("ab", buffering=0)
        except (OSError, ValueError) as error:
            raise CannotKeep(f"the rows in {path} cannot be kept: {error}") from None

    def close(self) -> None:
        """Nothing is lost by leaving it out."""
        self._file.close()

    def append(self, row: Row) -> None:
        """Raises: OSError; the row then counts as not written."""
        self._file.write(row.json + b"\n")

    def empty(self) -> None:
        """As at the very first start."""
        self._file.truncate(0)
        self.rows = []


def _whole_rows(path: Path) -> list[Row]:
    with path.open("a+b") as file:
        file.seek(0)
        *whole, cut = file.read().split(b"\n")
        rows = [Row(_id(line), line) for line in whole]
        if cut:  # killed in the middle of a row, which nobody saw
            file.truncate(file.tell() - len(cut))
    return rows


def _id(line: bytes) -> str:
    found = jiter.from_json(line)
    if not isinstance(found, dict) or not isinstance(found.get("id"), str):
        raise ValueError(f"this line is no row: {line[:60]!r}")
    return str(found["id"])
