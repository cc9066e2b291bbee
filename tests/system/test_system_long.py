from pathlib import Path

import pytest

from tests.system.stack import Stack

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

DEFAULTS = {
    "TXN_POSTING_TIMEOUT_MS": "5000",
    "TXN_DOUBT_WINDOW_MS": "15000",
    "TXN_GRACE_MS": "5000",
    "TXN_MIN_BACKOFF_MS": "500",
    "TXN_MAX_BACKOFF_MS": "300000",
}


@pytest.mark.parametrize("transport", ["curl", "requests"])
def test_2000_at_once_against_a_service_that_fails_in_every_way_end_up_there_once(
    tmp_path: Path, transport: str
) -> None:
    with Stack(tmp_path, DEFAULTS | {"TXN_TRANSPORT": transport}, processes=2, threads=64) as stack:
        # A POST that hangs is given up after 5 s and written at up to 80 % of the doubt window (15 s) after that.
        stack.mock.faults(
            fail_before=0.2,
            fail_after=0.2,
            hang_write=0.05,
            hang_min_ms=5_000,
            hang_max_ms=17_000,
            get_fail=0.05,
            latency_ms=100,
        )
        stack.start_worker()
        accepted = stack.submit_many(2_000, clients=32)
        took = stack.until_quiet(500)
        print(f"2000 transactions quiet {took:.0f} s after the last submit: {stack.mock.stats()}")
        stack.check_ledger(accepted)
        assert stack.numbers()["failed"] == 0
