import html
import re

import pytest

from tests.admin.site import Browser
from tests.admin.test_failed import rows
from tests.admin.test_pages import text
from tests.parts import Parts
from txn.model.outcome import Cause, Clear, Retry
from txn.model.transaction import ErrorCode
from txn.operate.bulk_runner import MAX_QUEUED, TRICKLE, BulkRunner


def hidden(page: str) -> dict[str, str]:
    found = re.findall(
        r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page.partition('action="/admin/bulk"')[2]
    )
    return {name: html.unescape(value) for name, value in found if name != "csrf"}


def started(ada: Browser, query: str = "what=replay", **more: str) -> str:
    """Through the preview, as a person does; the page of the run."""
    preview = ada.get(f"/admin/failed/preview?{query}")
    assert preview.status_code == 200
    answer = ada.post("/admin/bulk", **(hidden(preview.text) | more))
    assert answer.status_code == 303
    return str(answer.headers["Location"])


def test_all_that_match_are_previewed_confirmed_and_replayed_by_a_worker(ada: Browser, parts: Parts) -> None:
    for _ in range(3):
        parts.fail()
    other = parts.fail(code=ErrorCode.CONFLICT)
    preview = text(ada.get("/admin/failed/preview?what=replay&code=rejected").text)
    assert "Replay 3 transactions?" in preview
    assert "As safe as an automatic retry." in preview
    assert "No worker is alive" in preview
    run = started(ada, "what=replay&code=rejected", why="it is back")
    assert "0 of 3 looked at; waits for a worker" in text(ada.get(run).text)
    BulkRunner(parts.runs, parts.letters, "node-7:42").tick()
    page = ada.get(run).text
    assert "3 of 3 looked at; took" in text(page)
    assert "Confirmed 3 Replayed 3 No longer failed 0 Did not match 0" in text(page)
    assert "it is back" in page
    assert rows(ada.get("/admin/failed").text) == [other]
    journal = text(ada.get("/admin/journal").text)
    run_of = r"the run over rejected"
    assert re.search(rf"replay all: finished 3 {run_of} \S+ \S+ \S+ UTC ada replay all 3 {run_of} it is back", journal)


def test_a_preview_that_is_sent_twice_starts_one_run(ada: Browser, parts: Parts) -> None:
    parts.fail()
    form = hidden(ada.get("/admin/failed/preview?what=replay").text)
    assert {ada.post("/admin/bulk", **form).headers["Location"] for _ in range(2)} == {f"/admin/bulk/{form['run']}"}
    assert len(parts.runs.recent()) == 1


def test_a_run_is_stopped_and_the_rest_is_offered(ada: Browser, parts: Parts) -> None:
    parts.fail()
    run = started(ada, "what=replay&code=rejected")
    assert "Stop</button>" in ada.get(run).text
    assert ada.post(f"{run}/stop").headers["Location"] == run
    page = ada.get(run).text
    assert "What is done is not undone" in page
    assert "Stop</button>" not in page
    assert "/admin/failed/preview?what=replay&amp;code=rejected" in page
    ada.post(f"{run}/stop")
    assert "It had already ended" in ada.get(run).text
    assert BulkRunner(parts.runs, parts.letters, "w").tick() == 1


def test_all_runs_are_listed_and_one_that_goes_on_is_on_the_list_of_failures(ada: Browser, parts: Parts) -> None:
    parts.fail()
    run = started(ada, "what=discard", why="a test")
    assert f'href="{run}"' in ada.get("/admin/failed").text
    assert re.search(r"Discard all running every dead letter ada .* 1 0", text(ada.get("/admin/bulk").text))


def test_a_run_that_goes_slowly_says_so(ada: Browser, parts: Parts) -> None:
    for _ in range(TRICKLE + 1):
        parts.fail()
        parts.clock.forward(1)
    run = started(ada)
    parts.client.delete(parts.keys.messages)
    parts.client.rpush(parts.keys.messages, *[f"n{number}" for number in range(MAX_QUEUED)])
    BulkRunner(parts.runs, parts.letters, "w").tick()
    assert f"slowly, while {MAX_QUEUED} queued messages wait for a worker" in text(ada.get(run).text)


def test_a_discard_of_all_needs_a_reason(ada: Browser, parts: Parts) -> None:
    parts.fail()
    form = hidden(ada.get("/admin/failed/preview?what=discard").text)
    assert ada.post("/admin/bulk", **form).status_code == 400
    assert parts.runs.recent() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"run": "x"},
        {"what": "boil"},
        {"code": "boss"},
        {"since": "soon"},
        {"count": "-1"},
        {"count": ""},
        {"before": "x"},
    ],
)
def test_a_run_that_makes_no_sense_is_refused(ada: Browser, parts: Parts, wrong: dict[str, str]) -> None:
    sound = {"run": "0" * 16, "what": "replay", "count": "1", "before": "1"}
    assert ada.post("/admin/bulk", **(sound | wrong)).status_code == 400
    assert parts.runs.recent() == []


@pytest.mark.parametrize("run", ["0" * 16, "nothing", "%2e%2e"])
def test_a_run_that_is_not_there_is_a_page(ada: Browser, run: str) -> None:
    assert ada.get(f"/admin/bulk/{run}").status_code == 404


def test_a_preview_warns_of_a_posting_service_that_is_away(ada: Browser, parts: Parts) -> None:
    parts.fail()
    parts.clock.forward(60_000)
    parts.accept("b")
    parts.settle(parts.claimed("b"), Retry(Cause.OUTAGE, "no", Clear(), 0), outage="connection refused")
    assert "The posting service does not answer now" in ada.get("/admin/failed/preview?what=replay").text
