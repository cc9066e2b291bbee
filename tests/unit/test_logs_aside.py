import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from txn.logs import aside
from txn.logs.aside import AsideHandler

PATIENCE_S = 60.0


class Gated(logging.Handler):
    """Writes nothing before the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.stands, self.lines = threading.Event(), threading.Event(), list[str]()

    def emit(self, record: logging.LogRecord) -> None:
        self.stands.set()
        assert self.gate.wait(PATIENCE_S)
        self.lines.append(record.getMessage())


@pytest.fixture
def slow() -> Iterator[Gated]:
    found = Gated()
    yield found
    found.gate.set()


def log_to(handler: logging.Handler) -> logging.Logger:
    log = logging.Logger("alone", logging.INFO)
    log.addHandler(handler)
    return log


def test_who_logs_does_not_wait_for_who_writes(slow: Gated) -> None:
    handler = AsideHandler(slow)
    log = log_to(handler)
    for number in range(100):
        log.info("line %d", number)
    assert slow.lines == []
    slow.gate.set()
    handler.flush()
    assert slow.lines == [f"line {number}" for number in range(100)]


def test_what_is_too_much_is_lost_and_counted(slow: Gated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "MOST_WAITING", 3)
    handler = AsideHandler(slow)
    log = log_to(handler)
    log.info("first")
    assert slow.stands.wait(PATIENCE_S)
    for number in range(10):
        log.info("line %d", number)
    slow.gate.set()
    handler.flush()
    assert slow.lines[0] == "first"
    assert slow.lines[2:] == ["line 0", "line 1", "line 2"]
    assert slow.lines[1] == "7 lines were lost: whoever reads standard error is too slow"


def test_the_end_does_not_wait_for_ever(slow: Gated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "LAST_WORDS_S", 0.05)
    handler = AsideHandler(slow)
    log_to(handler).info("never written")
    handler.flush()
    assert slow.lines == []


ENDS = """
import logging, multiprocessing
from txn.logs.setup import configure

def child():
    configure("INFO", "json", aside=True)
    for number in range(5):
        logging.info("line %d", number)

process = multiprocessing.get_context("fork").Process(target=child)
process.start()
process.join()
configure("INFO", "json", aside=True)
logging.info("the parent's last word")
"""


def test_a_process_that_ends_has_written_its_last_line() -> None:
    command = [sys.executable, "-c", ENDS]
    said = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=60, check=True).stderr.splitlines()
    assert len(said) == 6
    assert "line 4" in said[-2]
    assert "the parent's last word" in said[-1]


NAMED = """
import logging
from txn.logs.setup import configure
from txn.logs.trace import TRACE_ID
from txn.server.request_id import begin

configure("INFO", "json", aside=True)
logging.info("about nothing")
begin("mine")
TRACE_ID.set("1" * 32)
logging.info("about both")
"""


def test_a_line_names_the_request_and_the_trace_of_who_logs_and_not_of_who_writes() -> None:
    command = [sys.executable, "-c", NAMED]
    said = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=60, check=True).stderr.splitlines()
    found = [json.loads(line) for line in said]
    assert [(line.get("request_id"), line.get("trace_id")) for line in found] == [(None, None), ("mine", "1" * 32)]
