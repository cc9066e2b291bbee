import json
import logging
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.parts import Seconds
from txn.logs.flood import BURST, MAX_KINDS, WINDOW_S, Flood
from txn.logs.setup import formatter
from txn.logs.state import State


class Sink(logging.Handler):
    """What went through the filter."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


@pytest.fixture
def flood(clock: Seconds) -> Flood:
    return Flood(clock)


@pytest.fixture
def sink(flood: Flood) -> Sink:
    found = Sink()
    found.addFilter(flood)
    return found


@pytest.fixture
def logger(sink: Sink, caplog: pytest.LogCaptureFixture) -> Iterator[logging.Logger]:
    caplog.set_level(logging.INFO)
    logging.getLogger().addHandler(sink)
    yield logging.getLogger("txn.delivery")
    logging.getLogger().removeHandler(sink)


def fail(logger: logging.Logger, number: int, outcome: str = "uncertain", level: int = logging.WARNING) -> None:
    logger.log(level, "attempt failed", extra={"transaction": f"t{number}", "outcome": outcome})


def record(level: int = logging.WARNING, message: str = "attempt failed", **extra: object) -> logging.LogRecord:
    return logging.getLogger("txn.delivery").makeRecord(
        "txn.delivery", level, "file", 1, message, (), None, extra=extra
    )


def test_a_line_is_json_with_its_fields_in_the_order_people_read() -> None:
    line = formatter(text=False).format(record(transaction="t1", attempt=2, http=None))
    found = json.loads(line)
    assert list(found) == ["timestamp", "level", "logger", "pid", "event", "transaction", "attempt", "http"]
    assert (found["level"], found["event"], found["transaction"]) == ("warning", "attempt failed", "t1")
    assert found["timestamp"].endswith("Z")


@pytest.mark.parametrize("text", [True, False])
def test_a_traceback_shows_no_values_of_variables(text: bool) -> None:
    secret = "payload-" + "of-a-client"
    try:
        int("x" if secret else "")
    except ValueError:
        line = formatter(text=text).format(
            logging.getLogger("txn").makeRecord("txn", logging.ERROR, "f", 1, "failed", (), sys.exc_info())
        )
    assert "ValueError" in line
    assert secret not in line


def test_one_event_is_one_line_of_json_whatever_is_in_it() -> None:
    line = formatter(text=False).format(record(detail="two\nlines\x1b[31m", weird=object()))
    assert "\n" not in line
    assert "\x1b" not in line
    assert json.loads(line)["detail"] == "two\nlines\x1b[31m"


def test_of_a_flood_some_go_through_and_the_rest_is_counted(
    logger: logging.Logger, sink: Sink, clock: Seconds, flood: Flood
) -> None:
    for number in range(1000):
        fail(logger, number)
    assert len(sink.records) == BURST
    flood.flush()
    assert len(sink.records) == BURST, "the window is not over"
    clock.now_s += WINDOW_S
    flood.flush()
    last = vars(sink.records[-1])
    assert sink.records[-1].getMessage() == "more of: attempt failed"
    assert (last["held_back"], last["outcome"], last["levelno"]) == (1000 - BURST, "uncertain", logging.WARNING)
    fail(logger, 1001)
    assert len(sink.records) == BURST + 2, "a new window has begun"
    clock.now_s += WINDOW_S
    flood.flush()
    assert len(sink.records) == BURST + 2, "nothing was held back in it"


def test_lines_of_another_kind_are_not_held_back_by_a_flood(logger: logging.Logger, sink: Sink) -> None:
    for number in range(50):
        fail(logger, number)
    fail(logger, 51, outcome="outage")
    fail(logger, 52, level=logging.INFO)
    logger.warning("something else")
    assert len(sink.records) == BURST + 3


def test_lines_that_differ_in_a_number_are_of_one_kind(
    logger: logging.Logger, sink: Sink, clock: Seconds, flood: Flood
) -> None:
    for number in range(50):
        logger.warning("attempt failed", extra={"detail": f"cannot connect after {number} ms"})
    assert len(sink.records) == BURST
    clock.now_s += WINDOW_S
    flood.flush()
    assert vars(sink.records[-1])["detail"] == "cannot connect after 0 ms"


def test_an_error_about_a_transaction_is_never_held_back(logger: logging.Logger, sink: Sink) -> None:
    for number in range(50):
        fail(logger, number, level=logging.ERROR)
    assert len(sink.records) == 50


def test_what_operators_do_is_never_held_back(logger: logging.Logger, sink: Sink) -> None:
    journal = logging.getLogger("txn.journal")
    for _ in range(50):
        journal.info("%s: replay %d", "ann", 1)
    assert len(sink.records) == 50


def test_a_flood_of_kinds_is_held_back_too(logger: logging.Logger, sink: Sink, clock: Seconds, flood: Flood) -> None:
    for number in range(MAX_KINDS + 500):
        logger.warning("attempt failed", extra={"detail": "x" * number})
    assert len(sink.records) == MAX_KINDS + BURST
    clock.now_s += WINDOW_S
    flood.flush()
    assert vars(sink.records[-1])["held_back"] == 500 - BURST


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[tuple[str, str]]]:
    caplog.set_level(logging.INFO, "txn.state")
    return lambda: [(one.levelname, one.getMessage()) for one in caplog.records]


def test_a_state_is_said_when_it_changes(
    said: Callable[[], list[tuple[str, str]]], clock: Seconds, caplog: pytest.LogCaptureFixture
) -> None:
    state = State("Redis", frozenset({"there"}), clock)
    for name in ("there", "there", "away", "away", "there", "there"):
        state.is_now(name, "cut off" if name == "away" else "")
        clock.now_s += 2
    assert said() == [("WARNING", "Redis is away"), ("INFO", "Redis is there")]
    away, back = map(vars, caplog.records)
    assert (away["before"], away["detail"], away["for_s"]) == ("there", "cut off", 4.0)
    assert (back["before"], back["for_s"]) == ("away", 4.0)


def test_a_bad_state_is_said_from_the_start(said: Callable[[], list[tuple[str, str]]]) -> None:
    State("Redis", frozenset({"there"})).is_now("away")
    assert said() == [("WARNING", "Redis is away")]


def test_two_good_states_after_each_other_are_no_news(said: Callable[[], list[tuple[str, str]]]) -> None:
    state = State("the posting service", frozenset({"unknown", "answering"}))
    state.is_now("unknown")
    state.is_now("answering")
    assert said() == []
