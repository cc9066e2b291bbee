import ast
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import txn
from txn.logs.flood import BURST, WINDOW_S, Flood
from txn.logs.setup import formatter
from txn.logs.unbreakable import StreamHandler


class Broken:
    def __str__(self) -> str:
        raise ValueError("no text of me")

    __repr__ = __str__


class Endless:
    def __str__(self) -> str:
        return str(self)

    __repr__ = __str__


class Unfriendly(str):
    __slots__ = ()

    def __hash__(self) -> int:
        raise TypeError("not hashable")

    def __bool__(self) -> bool:
        raise TypeError("neither true nor false")


def circle() -> dict[str, Any]:
    found: dict[str, Any] = {}
    found["itself"] = found
    return found


def failing() -> None:
    raise RuntimeError(Broken())


def exception(log: logging.Logger) -> None:
    try:
        failing()
    except RuntimeError:
        log.exception("what was not foreseen")


CALLS: dict[str, Callable[[logging.Logger], None]] = {
    "a dict": lambda log: log.warning({"a": 1}),
    "a list": lambda log: log.warning(["a", 1]),
    "a set": lambda log: log.warning({"a"}),
    "bytes": lambda log: log.warning(b"a"),
    "an exception": lambda log: log.warning(ValueError({"a": 1})),  # type: ignore[arg-type]
    "none": lambda log: log.warning(None),
    "too few arguments": lambda log: log.warning("%s and %s", "one"),  # noqa: PLE1206
    "too many arguments": lambda log: log.warning("%s", "one", "two"),  # noqa: PLE1205
    "arguments without a place": lambda log: log.warning("none", "one"),  # noqa: PLE1205
    "an argument of another type": lambda log: log.warning("%d", "one"),
    "a place that is none": lambda log: log.warning("%Z", "one"),
    "a message that raises": lambda log: log.warning(Broken()),
    "a message that never ends": lambda log: log.warning(Endless()),
    "an argument that raises": lambda log: log.warning("%s", Broken()),
    "an argument that never ends": lambda log: log.warning("%s", Endless()),
    "an exception that raises": exception,
    "a field that raises": lambda log: log.warning("field", extra={"field": Broken()}),
    "a field that never ends": lambda log: log.warning("field", extra={"field": Endless()}),
    "a field that holds itself": lambda log: log.warning("field", extra={"field": circle()}),
    "fields with keys that are no text": lambda log: log.warning("field", extra={"field": {(1, 2): 3}}),
    **{
        f"{name} that {what}": lambda log, name=name, value=value: log.warning("counted", extra={name: value})  # type: ignore[misc]
        for name in ("outcome", "http", "detail", "held_back", "transaction")
        for what, value in {
            "is a dict": {"a": 1},
            "raises": Broken(),
            "never ends": Endless(),
            "cannot be hashed": Unfriendly("x"),
        }.items()
    },
}


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture(params=["json", "text"])
def handler(request: pytest.FixtureRequest, stream: io.StringIO) -> StreamHandler:
    found = StreamHandler(stream)
    found.setFormatter(formatter(text=request.param == "text"))
    found.addFilter(Flood())
    return found


@pytest.fixture
def log(handler: StreamHandler) -> logging.Logger:
    """Outside the tree of loggers: pytest's own handler, which raises, must not see it."""
    found = logging.Logger("tests.unbreakable")
    found.addHandler(handler)
    return found


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_no_log_call_raises_and_each_leaves_one_line(
    log: logging.Logger, handler: StreamHandler, stream: io.StringIO, call: Callable[[logging.Logger], None]
) -> None:
    call(log)
    assert stream.getvalue().strip()
    if "json" in repr(handler.formatter._inner.processors):  # type: ignore[union-attr]
        [line] = stream.getvalue().splitlines()
        assert {"timestamp", "level", "logger", "pid", "event"} <= set(json.loads(line))


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_what_is_held_back_can_be_said_whatever_it_was(
    log: logging.Logger, handler: StreamHandler, stream: io.StringIO, call: Callable[[logging.Logger], None]
) -> None:
    now_s = 100.0
    handler.removeFilter(handler.filters[0])
    flood = Flood(lambda: now_s)
    handler.addFilter(flood)
    for _ in range(3 * BURST):
        call(log)
    now_s += WINDOW_S
    flood.flush()
    assert stream.getvalue().count("\n") >= BURST


def test_a_line_that_cannot_be_formatted_keeps_its_message_and_its_fields() -> None:
    stream = io.StringIO()
    handler = StreamHandler(stream)
    handler.setFormatter(formatter(text=False))
    record = logging.makeLogRecord(
        {"name": "txn.x", "levelno": 40, "levelname": "ERROR", "msg": "attempt %d of %d", "args": (1,)}
        | {"transaction": "t1", "tries": 3, "why": Broken(), "filename": "there.py", "lineno": 7}
    )
    handler.emit(record)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["transaction"], line["tries"]) == ("attempt %d of %d", "error", "t1", 3)
    assert line["why"] == "<Broken that cannot be shown>"
    assert line["unformatted"] == "TypeError: not enough arguments for format string (there.py:7)"


def test_a_flood_of_dicts_is_counted_like_any_other(log: logging.Logger, stream: io.StringIO) -> None:
    for _ in range(10 * BURST):
        log.warning({"a": 1})
    assert stream.getvalue().count("\n") == BURST


class Full(io.StringIO):
    def write(self, _text: str) -> int:
        raise OSError(28, "No space left on device")


def closed() -> io.StringIO:
    found = io.StringIO()
    found.close()
    return found


def narrow() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")


@pytest.mark.parametrize("stream", [Full(), closed(), narrow(), None], ids=["full", "closed", "ascii", "none"])
def test_a_stream_that_takes_no_lines_raises_nothing(log: logging.Logger, stream: Any, handler: StreamHandler) -> None:
    handler.stream = stream
    log.warning("a line with an accent: é")
    handler.flush()


_SCRIPT = """
import logging, os, sys
from txn.logs.setup import configure
configure("INFO", "json")
{before}
log = logging.getLogger("txn.delivery")
log.warning({{"a": 1}})
log.warning("%s %s", "one")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("what was not foreseen")
print("went on", flush=True)
os._exit(0)
"""
_STREAMS = {
    "there": "",
    "closed": "sys.stderr.close()",
    "closed below": "os.close(2)",
    "a pipe that nobody reads": "r, w = os.pipe(); os.dup2(w, 2); os.close(r)",
    "full": "os.dup2(os.open('/dev/full', os.O_WRONLY), 2)",
}


@pytest.mark.parametrize("before", _STREAMS.values(), ids=list(_STREAMS))
def test_a_process_goes_on_whatever_has_become_of_its_standard_error(before: str) -> None:
    if "/dev/full" in before and not Path("/dev/full").exists():
        pytest.skip("only Linux has /dev/full")
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT.format(before=before)],
        capture_output=True, text=True, timeout=30, check=False, env={**os.environ, "PYTHONFAULTHANDLER": ""},
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("went on\n", 0), done.stderr
    if not before:
        lines = [json.loads(line) for line in done.stderr.splitlines()]
        assert [line["event"] for line in lines] == ["{'a': 1}", "%s %s", "what was not foreseen"]


def test_no_field_of_ours_has_a_name_that_the_standard_library_refuses() -> None:
    refused = set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
    found = set()
    for path in Path(txn.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "extra":
                for inner in ast.walk(node.value):
                    if isinstance(inner, ast.Dict):
                        found |= {key.value for key in inner.keys if isinstance(key, ast.Constant)}
    assert "detail" in found
    assert not found & refused
