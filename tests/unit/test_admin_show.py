import pytest

from txn.admin import chart, svg
from txn.model.totals import END_TO_END_MS
from txn.readers import formats
from txn.readers.charts import Span


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_000, "1 s"),
        (4_210, "4.2 s"),
        (59_999, "59 s"),
        (180_000, "3 min"),
        (5 * 3_600_000, "5 h"),
        (72 * 3_600_000, "3 d"),
    ],
)
def test_a_length_of_time_is_said_in_one_unit(ms: int, said: str) -> None:
    assert formats.span(ms) == said


@pytest.mark.parametrize(
    ("ms", "said"), [(1, "1 ms"), (100, "100 ms"), (1e3, "1 s"), (1e5, "100 s"), (1e6, "17 min"), (1e7, "2.8 h")]
)
def test_a_power_of_ten_on_an_axis_is_not_rounded_away(ms: float, said: str) -> None:
    assert formats.decade(ms) == said


@pytest.mark.parametrize(
    ("share", "said"), [(0, "0 %"), (0.0001, "< 0.1 %"), (0.0312, "3.1 %"), (0.5, "50 %"), (1, "100 %")]
)
def test_what_is_not_nothing_is_not_shown_as_nothing(share: float, said: str) -> None:
    assert formats.percent(share) == said


@pytest.mark.parametrize(("value", "top"), [(0, 1), (1, 1), (3, 5), (5, 5), (51, 100), (100, 100), (101, 200)])
def test_an_axis_ends_at_a_round_number(value: float, top: float) -> None:
    assert svg.nice(value) == top


def test_a_bar_that_is_not_nothing_can_be_seen() -> None:
    assert [bar.heights for bar in svg.bars([[0, 1, 1000]], 1000)] == [(0,), (1.5,), (100,)]


def test_a_line_is_interrupted_where_nothing_is_known_and_a_lonely_value_is_a_dot() -> None:
    assert svg.path([0, 0.5, None, 1]) == "M75.0 100.0l0 0L225.0 50.0M525.0 0.0l0 0"
    assert svg.path([None, None]) == ""


@pytest.mark.parametrize(
    ("values", "ticks"),
    [([], [1000, 100, 10]), ([24, 90], [1000, 100, 10]), ([5, 300_000], [1e6, 1000, 1]), ([0, 3], [100, 10, 1])],
)
def test_the_middle_of_a_logarithmic_axis_is_a_power_of_ten(values: list[float], ticks: list[float]) -> None:
    axis = svg.Decades.around(values)
    assert axis.ticks() == ticks
    assert all(0 <= axis.height(value) <= 1 for value in values)


def test_the_minute_that_has_begun_is_a_bar_and_no_fall_of_the_line() -> None:
    minutes = [Span(n * 60_000, 600, 600, 0, 600, 0, (0,) * (len(END_TO_END_MS) + 1)) for n in range(3)]
    begun = Span(180_000, 2, 2, 0, 2, 0, (0,) * (len(END_TO_END_MS) + 1))
    found = chart.flow([*minutes, begun], 1, 181_000)
    assert found.lines[0].count("L") == 2
    assert found.bars[-1].heights[0] > 0
    assert found.titles[-1] == "00:03 UTC: 2 accepted, 2 completed, 0 failed"
