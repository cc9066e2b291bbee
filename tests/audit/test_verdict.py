import pytest

from txn.audit.verdict import Verdict, judge
from txn.model.transaction import Status

PENDING, PROCESSING, COMPLETED, FAILED = Status


@pytest.mark.parametrize(
    ("status", "code", "discarded", "rows", "differing", "verdict"),
    [
        (COMPLETED, "", False, 1, 0, Verdict.ONCE),
        (COMPLETED, "", False, 0, 0, Verdict.MISSING),
        (COMPLETED, "", False, 2, 0, Verdict.DOUBLED),
        (COMPLETED, "", False, 2, 1, Verdict.DOUBLED),
        (COMPLETED, "", False, 1, 1, Verdict.DIFFERENT),
        (COMPLETED, "", False, None, 0, Verdict.UNANSWERED),
        (PENDING, "", False, 0, 0, Verdict.IN_FLIGHT),
        (PENDING, "", False, 1, 0, Verdict.IN_FLIGHT),
        (PENDING, "", False, 1, 1, Verdict.DIFFERENT),
        (PENDING, "", False, None, 0, Verdict.IN_FLIGHT),
        (PROCESSING, "", False, 0, 0, Verdict.IN_FLIGHT),
        (PROCESSING, "", False, 3, 0, Verdict.DOUBLED),
        (FAILED, "rejected", False, 0, 0, Verdict.FAILED),
        (FAILED, "rejected", True, 0, 0, Verdict.DISCARDED),
        (FAILED, "rejected", False, 1, 0, Verdict.POSTED_THOUGH_FAILED),
        (FAILED, "exhausted", True, 1, 1, Verdict.POSTED_THOUGH_FAILED),
        (FAILED, "exhausted", False, 2, 0, Verdict.DOUBLED),
        (FAILED, "exhausted", False, None, 0, Verdict.UNANSWERED),
        (FAILED, "conflict", False, 1, 1, Verdict.TO_DECIDE),
        (FAILED, "undecided", False, 0, 0, Verdict.TO_DECIDE),
        (FAILED, "undecided", False, 1, 0, Verdict.TO_DECIDE),
        (FAILED, "conflict", True, 1, 1, Verdict.DISCARDED),
        (FAILED, "undecided", False, 2, 0, Verdict.DOUBLED),
        ("expired", "", False, 0, 0, Verdict.UNREADABLE),
        ("expired", "", False, 1, 1, Verdict.UNREADABLE),
        ("expired", "rejected", True, None, 0, Verdict.UNREADABLE),
        ("expired", "", False, 2, 0, Verdict.DOUBLED),
    ],
)
def test_each_pair_of_states_has_its_verdict(
    status: str, code: str, discarded: bool, rows: int | None, differing: int, verdict: Verdict
) -> None:
    assert judge(status, code, discarded=discarded, rows=rows, differing=differing) is verdict
