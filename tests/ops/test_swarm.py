import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from ops.swarm.stages import DRAIN_S, achieved, full_seconds, users_at
from ops.swarm.traffic import submission, wrong
from ops.swarm.verdict import Ledger, Load, judge, lines
from tests.ops.foreground import ROOT, Foreground

WELL = Load(asked=300, achieved=299.5, submits=3, submit_p99_ms=100, failures={}, late_p99_ms=2)


def certificate(code: int = 0, accepted: int = 3, listed: bool = True, **found: int) -> Mapping[str, Any]:
    return {
        "exit_code": code,
        "conclusion": "What follows.",
        "accepted": accepted,
        "posting": {"list": listed},
        "findings": {kind: [{"id": f"{kind}-{n}"} for n in range(count)] for kind, count in found.items()},
    }


KEPT = Ledger(3, {"completed": ["a", "b", "c"]}, certificate())


def test_all_well_is_exit_code_0_and_no_reason() -> None:
    verdict = judge(WELL, KEPT)
    assert (verdict.exit_code, verdict.broken, verdict.unproven) == (0, [], [])
    assert "VERDICT: PASSED: every promise kept" in list(lines(WELL, KEPT, verdict))


@pytest.mark.parametrize(
    ("load", "ledger", "reason"),
    [
        ({"submit_p99_ms": 101}, {}, "p99 of submit is 101 ms, more than 100 ms"),
        ({"submit_p99_ms": 101, "late_p99_ms": 40}, {}, "(the generator itself was up to 40 ms late)"),
        ({"failures": {"POST submit: not 202 but 503": 4}}, {}, "4 unexpected: POST submit: not 202 but 503"),
        ({}, {"told": {"lost": ["a", "b", "c", "d"]}}, "4 acknowledged and LOST: the API does not know a, b, c, ..."),
        ({}, {"told": {"unfinished": ["a"]}}, "1 acknowledged and still unfinished: a"),
        ({}, {"told": {"unexplained": ["a"]}}, "1 failed, and no code says why: a"),
        ({}, {"audit": certificate(accepted=2)}, "LOST: 3 were acknowledged, and the audit finds 2 records"),
        (
            {},
            {"audit": certificate(1, missing=4)},
            "the audit: What follows. missing: missing-0, missing-1, ",
        ),
    ],
)
def test_a_broken_promise_is_exit_code_1_and_says_which(
    load: Mapping[str, Any], ledger: Mapping[str, Any], reason: str
) -> None:
    seen, found = replace(WELL, **load), replace(KEPT, **ledger)
    verdict = judge(seen, found)
    [sentence] = verdict.broken
    assert reason in sentence
    assert verdict.exit_code == 1
    assert list(lines(seen, found, verdict))[-2:] == ["VERDICT: FAILED", f"  - {sentence}"]


@pytest.mark.parametrize(
    ("load", "ledger", "reason"),
    [
        ({"achieved": 280.0}, {}, "the generator could not keep up: 300 requests/s were asked for, 280.0 were made"),
        ({"achieved": 280.0}, {}, "ask for fewer, or add --processes 2"),
        ({"achieved": None}, {}, "too short to see its full rate"),
        ({"cut_short": True, "achieved": 1.0}, {}, "the run was stopped before its end"),
        ({"submits": 0}, {}, "nothing was submitted"),
        ({}, {"told": {"unread": ["a"]}}, "1 could not be read back: a"),
        ({}, {"audit": None, "unaudited": "set X"}, "THE LEDGER WAS NOT CHECKED: set X"),
        ({}, {"audit": certificate(2)}, "the audit: What follows."),
        ({}, {"audit": certificate(listed=False)}, "the audit: What follows."),
    ],
)
def test_what_was_not_shown_is_exit_code_2_and_says_why(
    load: Mapping[str, Any], ledger: Mapping[str, Any], reason: str
) -> None:
    verdict = judge(replace(WELL, **load), replace(KEPT, **ledger))
    [sentence] = verdict.unproven
    assert reason in sentence
    assert verdict.exit_code == 2


def test_users_who_wait_longer_than_their_second_are_not_blamed_on_the_generator() -> None:
    [reason] = judge(replace(WELL, achieved=280.0, submit_p99_ms=1500), KEPT).unproven
    assert "users had to wait" in reason
    assert "generator" not in reason


def test_a_broken_promise_outweighs_what_was_not_shown_and_both_are_told() -> None:
    verdict = judge(replace(WELL, achieved=1.0), replace(KEPT, audit=certificate(1)))
    assert (verdict.exit_code, len(verdict.broken), len(verdict.unproven)) == (1, 1, 1)


def test_without_the_ledger_because_somebody_said_so_is_no_reason_and_is_told() -> None:
    ledger = Ledger(3, skipped=True)
    verdict = judge(WELL, ledger)
    assert verdict.exit_code == 0
    assert any("not looked at" in line for line in lines(WELL, ledger, verdict))


def test_the_users_grow_in_stages_stay_and_go_before_the_end() -> None:
    wanted = [users_at(time, 300, 60) for time in (0, 6, 12, 18, 59.9, 60, 60 + DRAIN_S - 0.1, 60 + DRAIN_S)]
    assert wanted == [75, 150, 225, 300, 300, 0, 0, None]
    assert users_at(0, 1, 60) == 1


def test_only_the_seconds_at_the_full_rate_count() -> None:
    full = full_seconds(began=1000.5, seconds=60)
    assert (full[0], full[-1]) == (1021, 1059)
    counts = dict.fromkeys(range(1000, 1061), 10) | dict.fromkeys(full, 300) | {1021: 300 - len(full)}
    assert achieved(counts, full) == 299
    assert achieved(counts, full_seconds(began=1000.5, seconds=2)) is None


def test_a_wrong_request_needs_an_accepted_one_only_for_a_conflict() -> None:
    assert {wrong(None).code for _ in range(300)} == {"invalid", "invalid_json", "unsupported_media_type", "not_found"}
    accepted = submission()
    conflicts = [found for found in (wrong(accepted) for _ in range(300)) if found.status == 422]
    assert {found.headers["Idempotency-Key"] for found in conflicts} == {accepted.key}
    assert accepted.to_json() not in [json.loads(found.body or "") for found in conflicts]


@pytest.mark.parametrize(
    ("arguments", "settings", "sentence"),
    [
        (["--faults", "hang=1"], {}, "--faults hang=1: hang: unknown (known: fail_before"),
        (["--faults", "hang_write"], {}, "hang_write: Input should be a valid number"),
        (["--faults", "hang_write=1"], {"TXN_SWARM_HOST": "http://h"}, "take TXN_SWARM_HOST away"),
    ],
)
def test_a_wrong_option_is_a_sentence_before_anything_starts(
    arguments: list[str], settings: dict[str, str], sentence: str
) -> None:
    with Foreground(["-m", "ops.swarm", *arguments], ROOT, **settings) as running:
        assert running.exit_code() == 2
        assert sentence in running.seen[-1]
