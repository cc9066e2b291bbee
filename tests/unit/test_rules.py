import itertools
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from txn.delivery.blocking_steps import run
from txn.delivery.rules import Rules
from txn.model.claim import Claim
from txn.model.outcome import Clear, Keep, Maybe, Mode, Settlement, SettleReply, named
from txn.posting.results import (
    Absent,
    Found,
    Lookup,
    NotPosted,
    NotTried,
    Posted,
    PostResult,
    Rejected,
    Uncertain,
    Unknown,
)
from txn.settings import Settings

SETTINGS = Settings()
OURS, OTHER, NONE = Found(same=True), Found(same=False, differs=("amount",)), Absent()
SILENT, AWAY = Unknown("GET: silent"), Unknown("GET: away", reached=False)
LATE = Maybe(SETTINGS.posting_timeout_ms + SETTINGS.doubt_window_ms)
LOST = Uncertain("POST: lost")


class Scripted:
    """Steps whose answers are given beforehand."""

    def __init__(self, *answers: Lookup | PostResult, reply: SettleReply = "settled", **claim: Any) -> None:
        numbers: dict[str, Any] = {"attempts": 1, "counted": 1, "tries": 0, "unanswered_ms": 0, "mode": Mode.POST}
        self._claim = Claim(id="77", owner="nonce", payload=b"{}", submitted_ms=0, **numbers | claim)
        self._answers, self._reply = list(answers), reply
        self.settled: list[Settlement] = []

    async def claim(self, transaction_id: str, owner: str) -> Claim | None:
        return self._claim

    async def find(self, claim: Claim) -> Any:
        return self._answers.pop(0)

    async def post(self, claim: Claim, last_check: Callable[[], bool]) -> Any:
        assert last_check()
        return self._answers.pop(0)

    async def settle(self, transaction_id: str, owner: str, settlement: Settlement) -> SettleReply:
        self.settled.append(settlement)
        assert not self._answers, "these were never asked for"
        return self._reply


def delivered(steps: Scripted, **settings: Any) -> Settlement:
    rules = Rules(steps, SETTINGS.model_copy(update=settings), lambda: 0.5, lambda: 0)
    run(rules.deliver("77", "nonce"))
    [settlement] = steps.settled
    return settlement


@pytest.mark.parametrize(
    ("mode", "answers", "outcome", "doubt"),
    [
        ("post", [OURS], "found", None),
        ("post", [OTHER], "conflict", Keep()),
        ("post", [SILENT], "unanswered", Clear()),
        ("post", [AWAY], "outage", Clear()),
        ("post", [NONE, Posted(201)], "posted", None),
        ("post", [NONE, NotTried()], "released", None),
        ("post", [NONE, NotPosted("refused")], "outage", Clear()),
        ("post", [NONE, NotPosted("no", 403)], "sent_away", Clear()),
        ("post", [NONE, Rejected(400, "no"), OURS], "verified", None),
        ("post", [NONE, Rejected(400, "no"), OTHER], "conflict", LATE),
        ("post", [NONE, Rejected(400, "no"), NONE], "rejected", LATE),
        ("post", [NONE, Rejected(400, "no"), SILENT], "uncertain", LATE),
        ("post", [NONE, LOST, OURS], "verified", None),
        ("post", [NONE, LOST, OTHER], "uncertain", LATE),
        ("post", [NONE, LOST, NONE], "uncertain", LATE),
        ("post", [NONE, LOST, SILENT], "uncertain", LATE),
        ("post", [NONE, Uncertain("failed", 500), NONE], "uncertain", LATE),
        ("confirm", [OURS], "found", None),
        ("confirm", [OTHER], "in_doubt", Keep()),
        ("confirm", [NONE], "in_doubt", Keep()),
        ("confirm", [SILENT], "unanswered", Keep()),
        ("confirm", [AWAY], "outage", Keep()),
        ("final", [OURS], "found", None),
        ("final", [OTHER], "conflict", Keep()),
        ("final", [NONE], "exhausted", Keep()),
        ("final", [SILENT], "unanswered", Keep()),
        ("crashed", [], "crashed_worker", Keep()),
        ("expired", [], "expired", Keep()),
    ],
)
def test_each_row_of_the_table(mode: str, answers: list[Any], outcome: str, doubt: object) -> None:
    settled = delivered(Scripted(*answers, mode=Mode(mode))).outcome
    assert (named(settled), getattr(settled, "doubt", None)) == (outcome, doubt)


@pytest.mark.parametrize(
    ("mode", "left_ms", "answers", "outcome"),
    [
        ("final", 0, [NONE], "expired"),
        ("final", 1, [NONE], "exhausted"),
        ("final", -1, [OURS], "found"),
        ("final", -1, [OTHER], "conflict"),
        ("final", -1, [SILENT], "unanswered"),
        ("confirm", -1, [NONE], "in_doubt"),
        ("post", 1, [NONE, Posted(201)], "posted"),
    ],
)
def test_of_one_that_has_expired_only_a_get_that_may_decide_does(
    mode: str, left_ms: int, answers: list[Any], outcome: str
) -> None:
    assert named(delivered(Scripted(*answers, mode=Mode(mode), left_ms=left_ms)).outcome) == outcome


@pytest.mark.parametrize(
    ("status", "counted", "outcome"),
    [
        (500, 1, "not_written"),
        (408, 1, "not_written"),
        (409, 8, "not_written"),
        (302, 8, "uncertain"),
        (None, 8, "uncertain"),
    ],
)
def test_where_an_answer_is_final_only_a_failure_that_was_answered_is_decided_by_the_get(
    status: int | None, counted: int, outcome: str
) -> None:
    steps = Scripted(NONE, Uncertain("failed", status), NONE, counted=counted)
    assert named(delivered(steps, answer_is_final=True).outcome) == outcome


@pytest.mark.parametrize(("others", "counted", "calls"), [(True, 8, 1), (True, 7, 0), (False, 8, 0)])
def test_who_is_sent_away_is_rejected_without_attempts_left_if_others_are_let_in(
    others: bool, counted: int, calls: int
) -> None:
    steps = Scripted(NONE, NotPosted("no", 403), *[NONE] * calls, others=others, counted=counted)
    assert named(delivered(steps).outcome) == ("rejected" if calls else "sent_away")


@pytest.mark.parametrize(
    ("mode", "outcome"), [("post", "undecided"), ("final", "undecided"), ("confirm", "unanswered")]
)
def test_silence_about_one_id_ends_undecided_but_never_in_doubt(mode: str, outcome: str) -> None:
    silence: dict[str, Any] = {"mode": Mode(mode), "unanswered_ms": SETTINGS.undecided_after_ms + 1}
    assert named(delivered(Scripted(SILENT, **silence)).outcome) == outcome
    assert named(delivered(Scripted(AWAY, **silence)).outcome) == "outage"


@pytest.mark.parametrize(
    ("answers", "answered", "let_through", "outage"),
    [
        ([OURS], True, False, ""),
        ([SILENT], False, False, "GET: silent"),
        ([Posted(201)], True, True, ""),
        ([NotTried()], False, False, ""),
        ([NotPosted("refused")], False, False, "refused"),
        ([NotPosted("no", 403)], False, False, "no"),
        ([Rejected(400, "no"), NONE], True, True, ""),
        ([Rejected(400, "no"), AWAY], True, True, "GET: away"),
        ([LOST, OURS], True, True, "POST: lost"),
        ([LOST, NONE], True, False, "POST: lost"),
        ([LOST, AWAY], False, False, "GET: away"),
        ([Uncertain("failed", 500), NONE], True, False, "failed"),
        ([Uncertain("failed", 500), OURS], True, True, ""),
    ],
)
def test_what_is_learnt_on_the_way_is_settled_with_the_outcome(
    answers: list[Any], answered: bool, let_through: bool, outage: str
) -> None:
    verify = "always" if isinstance(answers[0], Lookup) else "after-doubt"
    settled = delivered(Scripted(*answers), verify=verify)
    assert (settled.answered, settled.taken, settled.outage) == (answered, let_through, outage)


@pytest.mark.parametrize(
    ("answers", "calls"),
    [
        ([OURS], "g"),
        ([NONE, Posted(201)], "gp"),
        ([SILENT], "G"),
        ([Unknown("GET: answered 503", 503)], "G"),
        ([Unknown("GET: answered 400", 400)], "g"),
        ([NONE, NotTried()], "g"),
        ([NONE, NotPosted("refused")], "gP"),
        ([NONE, NotPosted("no", 429)], "gP"),
        ([NONE, Rejected(422, "no"), NONE], "gpg"),
        ([NONE, Uncertain("failed", 409), NONE], "gpg"),
        ([NONE, Uncertain("failed", 500), NONE], "gPg"),
        ([NONE, Uncertain("a page", 200), NONE], "gPg"),
        ([NONE, LOST, OURS], "gpg"),
        ([NONE, LOST, AWAY], "gPG"),
    ],
)
def test_of_each_call_it_is_settled_whether_the_service_failed(answers: list[Any], calls: str) -> None:
    assert delivered(Scripted(*answers)).calls == calls


@pytest.mark.parametrize(
    ("answers", "calls"),
    [
        ([SILENT], "G!"),
        ([AWAY], "G!"),
        ([Unknown("GET: answered 503", 503)], "G"),
        ([NONE, LOST, NONE], "gP!g"),
        ([NONE, LOST, OURS], "gpg"),
        ([NONE, Uncertain("failed", 500), NONE], "gPg"),
    ],
)
def test_what_gets_no_answer_for_a_good_part_of_the_deadline_has_hung(answers: list[Any], calls: str) -> None:
    steps, ticks = Scripted(*answers), itertools.count(0, SETTINGS.posting_timeout_ms // 2 + 1)
    run(
        Rules(steps, SETTINGS.model_copy(update={"lease_ms": 10**6}), lambda: 0.5, lambda: next(ticks)).deliver(
            "77", "n"
        )
    )
    [settlement] = steps.settled
    assert settlement.calls == calls


@pytest.mark.parametrize(
    ("answers", "http"),
    [
        ([SILENT], None),
        ([Unknown("GET: answered 503", 503)], 503),
        ([NONE, NotPosted("no", 403)], 403),
        ([NONE, Rejected(422, "no"), NONE], 422),
        ([NONE, Uncertain("failed", 500), Unknown("GET: answered 503", 503)], 500),
        ([NONE, LOST, NONE], None),
        ([NONE, Uncertain("failed", 500), OURS], 200),
    ],
)
def test_the_history_shows_the_answer_that_decided(answers: list[Any], http: int | None) -> None:
    assert json.loads(delivered(Scripted(*answers, attempts=2)).history)["http"] == http


@pytest.mark.parametrize(
    ("reply", "said"),
    [("settled", []), ("repeated", []), ("taken", ["late settle refused"]), ("unknown", ["late settle refused"])],
)
def test_a_settle_that_is_refused_is_said_unless_it_is_our_own_once_more(
    caplog: pytest.LogCaptureFixture, reply: SettleReply, said: list[str]
) -> None:
    with caplog.at_level(logging.DEBUG, "txn.delivery"):
        delivered(Scripted(NONE, Posted(201), reply=reply))
    assert [record.getMessage() for record in caplog.records] == said
    assert [vars(record)["reply"] for record in caplog.records] == [reply] * len(said)
