import random
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from txn.backoff import backoff_ms

MINIMUM_MS, MAXIMUM_MS = 500, 300_000
ALMOST_ONE = 1 - 2**-53


@pytest.mark.parametrize(
    ("tries", "ceiling_ms"),
    [
        *((-1, 500), (0, 500), (1, 500), (2, 1_000), (3, 2_000), (4, 4_000), (5, 8_000), (6, 16_000), (7, 32_000)),
        *((8, 64_000), (9, 128_000), (10, 256_000), (11, 300_000), (12, 300_000), (63, 300_000), (64, 300_000)),
        *((1_000, 300_000), (10**6, 300_000), (10**100, 300_000)),
    ],
)
def test_the_ceiling_doubles_with_each_failure_and_stops_at_the_maximum(tries: int, ceiling_ms: int) -> None:
    assert backoff_ms(tries, MINIMUM_MS, MAXIMUM_MS, lambda: ALMOST_ONE) == ceiling_ms
    assert backoff_ms(tries, MINIMUM_MS, MAXIMUM_MS, lambda: 0.0) == 0
    assert backoff_ms(tries, MINIMUM_MS, MAXIMUM_MS, lambda: 0.5) == ceiling_ms // 2


def test_the_jitter_is_full_and_even() -> None:
    source = random.Random(7)
    waits = [backoff_ms(4, MINIMUM_MS, MAXIMUM_MS, source.random) for _ in range(10_000)]
    assert min(waits) < 40
    assert max(waits) > 3_960
    assert 1_950 < mean(waits) < 2_050
    quarters = [sum(quarter * 1_000 <= wait < (quarter + 1) * 1_000 for wait in waits) for quarter in range(4)]
    assert all(2_300 < count < 2_700 for count in quarters)


def test_what_failed_together_does_not_come_back_together() -> None:
    source = random.Random(7)
    assert len({backoff_ms(8, MINIMUM_MS, MAXIMUM_MS, source.random) for _ in range(1_000)}) > 950


@given(
    tries=st.integers(),
    minimum=st.integers(1, 86_400_000),
    more=st.integers(0, 86_400_000),
    luck=st.floats(0, ALMOST_ONE),
)
@examples(max_examples=200, deadline=None)
def test_a_wait_is_a_whole_number_between_0_and_the_maximum(tries: int, minimum: int, more: int, luck: float) -> None:
    wait = backoff_ms(tries, minimum, minimum + more, lambda: luck)
    assert isinstance(wait, int)
    assert 0 <= wait <= minimum + more
    assert wait <= backoff_ms(tries + 1, minimum, minimum + more, lambda: luck)
