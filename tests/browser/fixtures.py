from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import MISSING, Chromium
from tests.browser.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as found:
        yield found


@pytest.fixture
def chromium() -> Iterator[Chromium]:
    if MISSING:
        pytest.skip(MISSING)
    with Chromium() as found:
        yield found
