import os
import signal
import subprocess
import sys
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from ops.mock_posting.client import MockPosting
from ops.mock_posting.table import CannotKeep, Kept, read_row
from ops.ports import free_port

ROOT = Path(__file__).parents[2]


def post(mock: MockPosting, row_id: str, **other: Any) -> None:
    body = {"id": row_id, "amount": 1.5, "currency": "USD", "description": "a\nb", "timestamp": "t", "metadata": None}
    assert requests.post(f"{mock.url}/transactions", json=body | other, timeout=60).status_code == 201


def keeping(path: Path) -> MockPosting:
    return MockPosting(options=["--rows", str(path)])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_rows_are_there_at_the_next_start_in_their_order_and_doubles_are_two(
    tmp_path: Path, number: signal.Signals
) -> None:
    path = tmp_path / "new" / "rows.jsonl"
    with keeping(path) as mock:
        for row_id in ("b", "a", "b", "\u00e9 \U0001f4b6"):
            post(mock, row_id, metadata={"n": 0.1})
        before = mock.rows()
        assert mock.process is not None
        os.kill(mock.process.pid, number)
        mock.process.wait(60)
    with keeping(path) as mock:
        assert mock.rows() == before
        assert before[0]["amount"] == Decimal("1.50")
        assert mock.stats()["duplicates"] == 1
        assert requests.get(f"{mock.url}/transactions/a", timeout=60).json()["id"] == "a"
        post(mock, "c")
    with keeping(path) as mock:
        assert [row["id"] for row in mock.rows()] == [*(row["id"] for row in before), "c"]


@pytest.mark.parametrize("empty", ["cleanup", "reset"])
def test_what_was_emptied_stays_empty(tmp_path: Path, empty: str) -> None:
    path = tmp_path / "rows.jsonl"
    with keeping(path) as mock:
        post(mock, "a")
        mock.reset() if empty == "reset" else requests.post(f"{mock.url}/cleanup", timeout=60)
        assert mock.rows() == []
        post(mock, "b")
    with keeping(path) as mock:
        assert [row["id"] for row in mock.rows()] == ["b"]


def test_a_row_that_was_not_written_to_its_end_is_no_row_and_the_next_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    row = read_row(b'{"id": "a", "amount": 1, "currency": "USD", "description": "", "timestamp": ""}')
    path.write_bytes(row.json + b"\n" + row.json[:20])
    with closing(Kept(path)) as kept:
        assert kept.rows == [row]
        kept.append(row)
    with closing(Kept(path)) as kept:
        assert kept.rows == [row, row]


def test_without_a_file_rows_end_with_the_process() -> None:
    with MockPosting() as mock:
        post(mock, "a")
        mock.stop()
        mock.start()
        assert mock.rows() == []


@pytest.mark.parametrize("content", [b"\xff\n", b"[]\n", b'{"id": 1}\n', b"\n"])
def test_a_file_of_something_else_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(CannotKeep, match=r"rows\.jsonl cannot be kept"):
        Kept(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("path", ["", "/dev/null/rows", "/proc/rows"])
def test_a_file_that_cannot_be_one_is_a_sentence(path: str) -> None:
    line = [sys.executable, "-m", "ops.mock_posting", "--port", str(free_port()), "--rows", path or "/"]
    done = subprocess.run(line, cwd=ROOT, text=True, capture_output=True, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"mock posting service: the rows in {path or '/'} cannot be kept: ")
    assert "Traceback" not in done.stderr
