import pytest

from txn.model.transaction import rfc3339

DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (999, "1970-01-01T00:00:00.999Z"),
        (1_000, "1970-01-01T00:00:01.000Z"),
        (DAY_MS - 1, "1970-01-01T23:59:59.999Z"),
        (951_782_400_007, "2000-02-29T00:00:00.007Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_a_time_has_its_milliseconds_and_its_zone(ms: int, text: str) -> None:
    assert rfc3339(ms) == text


def test_times_of_one_second_differ_in_their_milliseconds_only() -> None:
    second = 1_790_000_000_000
    assert {rfc3339(second + ms)[:-4] for ms in range(1_000)} == {rfc3339(second)[:-4]}
    assert len({rfc3339(second + ms) for ms in range(2_000)}) == 2_000
