"""A share of `make fuzz`."""

from pathlib import Path

import pytest

from tests.hostile.fuzz import SETTINGS, fuzz
from tests.system.stack import Stack


@pytest.mark.timeout(600)
def test_nothing_that_is_sent_makes_an_error_of_ours_or_quotes_itself_in_the_log(tmp_path: Path) -> None:
    with Stack(tmp_path, SETTINGS) as stack:
        assert fuzz(stack, range(2_000)) == []
