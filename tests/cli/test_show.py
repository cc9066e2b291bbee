import re
from dataclasses import replace

import pytest

from tests.cli.terminal import Commands
from tests.parts import BODY, Parts, submission
from tests.unit.test_trace import GIVEN, TRACE
from txn.model.ids import id_for_key
from txn.model.outcome import Cause, Clear, Completed, Maybe, Retry
from txn.model.submission import parse_submission
from txn.model.transaction import Evidence

LINE = (
    '{"attempt":1,"mode":"post","outcome":"uncertain","detail":"POST: answered 500","http":500,"ms":12,"worker":"h:1"}'
)


def test_a_completed_one_with_its_content(txn: Commands, parts: Parts) -> None:
    name = parts.accept()
    parts.settle(parts.claimed(name), Completed(Evidence.VERIFIED))
    done = txn("show", name)
    assert done.code == 0
    assert done.out.startswith(f"{name} completed\n")
    for said in ("verified", "100.50", "USD", "Payment", '{"order_id": "12345"}'):
        assert said in done.out


def test_it_is_found_by_its_key(txn: Commands, parts: Parts) -> None:
    parts.store.accept(parse_submission(BODY, "order-12345"))
    assert txn("show", "order-12345").out.startswith(f"{id_for_key('order-12345')} pending\n")


def test_an_unknown_one_is_said_and_the_exit_code_is_1(txn: Commands) -> None:
    done = txn("show", "nobody")
    assert (done.code, done.out) == (1, "")
    assert done.err == "txn show: no transaction has the id or the key 'nobody'\n"


def test_the_timeline_and_the_doubt(txn: Commands, parts: Parts) -> None:
    parts.accept("a")
    parts.settle(parts.claimed("a"), Retry(Cause.UNCERTAIN, "POST: answered 500", Maybe(60_000), 60_000), history=LINE)
    found = txn("show", "a", columns=120).out
    assert "a pending, in doubt" in found
    assert "in doubt until" in found
    row = next(line for line in found.splitlines() if "500" in line and "12 ms" in line)
    assert ("uncertain" in row, "h:1" in row) == (True, True)


def test_a_discarded_one_says_by_whom_and_why(txn: Commands, parts: Parts) -> None:
    parts.fail("a", detail="POST: answered 400")
    parts.operations.discard(["a"], "ann", "paid by hand")
    found = txn("show", "a").out
    assert "a failed, discarded" in found
    assert "by ann: paid by hand" in found
    assert "rejected: POST: answered 400" in found


def test_json_has_everything(txn: Commands, parts: Parts) -> None:
    parts.fail("a", history=LINE)
    parts.operations.replay(["a"], "ann", "again")
    found = txn("show", "a", "--json").json
    assert (found["id"], found["status"]) == ("a", "pending")
    assert str(found["content"]["amount"]) == "100.50"
    first, second = found["history"]
    assert (first["outcome"], first["http"], first["worker"]) == ("uncertain", 500, "h:1")
    assert second["by"] == "ann"
    assert found["record"]["attempts"] == "1"
    assert found["submittedAt"].endswith("Z")


def test_raw_is_the_record_and_the_payload(txn: Commands, parts: Parts) -> None:
    parts.fail("a", history=LINE)
    found = txn("show", "a", "--raw", columns=300).out
    rows = dict(line.split(maxsplit=1) for line in found.splitlines() if not line.startswith(" "))
    assert {name: value.strip() for name, value in rows.items() if name in ("status", "code", "attempts")} == {
        "status": "failed",
        "code": "rejected",
        "attempts": "1",
    }
    assert set(parts.record("a")) <= set(rows)
    assert '"outcome":"uncertain"' in rows["history"]
    assert '"description":"Payment"' in rows["payload"]


def test_it_says_what_codes_and_evidence_mean(txn: Commands, parts: Parts) -> None:
    parts.accept("there")
    parts.settle(parts.claimed("there"), Completed(Evidence.FOUND))
    parts.fail("refused")
    assert "found: the GET before a POST found it" in txn("show", "there").out
    assert "the posting service refused it. It is not posted." in txn("show", "refused").out


def test_the_timeline_fits_80_columns_with_what_was_said_whole(txn: Commands, parts: Parts) -> None:
    said = "POST: answered 500: " + "x" * 100
    parts.fail("a", history=LINE.replace("POST: answered 500", said))
    lines = txn("show", "a").out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "x" * 100 in "".join(line.strip() for line in lines)


def test_what_a_client_wrote_cannot_steer_the_terminal(txn: Commands, parts: Parts) -> None:
    body = (
        rb'{"amount": 1, "currency": "USD", "description": "[red]\u001b[2J\u0007\u202eevil",'
        rb' "metadata": {"[b]": "\u009b"}}'
    )
    name = parts.fail(body=body, detail="\x1b]0;title\x07 [bold]x")
    for arguments in (("show", name), ("failed",)):
        found = txn(*arguments, columns=120).out
        assert not {letter for letter in found if not letter.isprintable() and letter != "\n"}
    assert "[red]" in txn("show", name).out
    assert "\x1b[2J" not in txn("show", name, "--json").out


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_an_id_is_never_cut(txn: Commands, parts: Parts, columns: int) -> None:
    name = parts.fail("i" * 64)
    for arguments in (("show", name), ("failed",)):
        found = txn(*arguments, columns=columns).out
        assert "".join(found.split()).count("i") >= 64
        assert "…iii" not in found


def test_a_doubt_that_is_over_is_none(txn: Commands, parts: Parts) -> None:
    parts.accept("a")
    parts.settle(parts.claimed("a"), Retry(Cause.UNCERTAIN, "500", Maybe(1_000), 0))
    assert "in doubt" in txn("show", "a").out
    parts.clock.forward(2_000)
    parts.settle(parts.claimed("a"), Retry(Cause.NOT_WRITTEN, "refused", Clear(), 0))
    assert "in doubt" not in txn("show", "a").out


def test_the_trace_of_its_submit_is_shown(txn: Commands, parts: Parts) -> None:
    parts.store.accept(replace(submission("a"), trace=GIVEN))
    parts.accept("b")
    assert re.search(rf"(?m)^trace +{TRACE}$", txn("show", "a").out)
    assert "trace" not in txn("show", "b").out
