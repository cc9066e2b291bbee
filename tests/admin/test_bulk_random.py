import html
import random
import re

import pytest

from tests.admin.random_letters import Letters
from tests.admin.site import Browser
from tests.admin.test_bulk import hidden
from tests.admin.test_pages import text
from tests.parts import Parts
from txn.model.dead_letter import Action, Filter
from txn.operate import letter_filter
from txn.operate.bulk_runner import BulkRunner


@pytest.fixture(autouse=True)
def in_small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("txn.admin.pages.bulk.COUNT_S", 0.0)


def confirm(ada: Browser, letters: Letters, what: Action, wanted: Filter) -> tuple[str, int, set[str]]:
    """As a browser does, which follows the page while it counts: (run, number that is asked about, the ids meant)."""
    path = f"/admin/failed/preview?{letter_filter.query(wanted, what=what.value)}"
    before = letters.matching(wanted)
    while True:
        page = ada.get(path)
        if "Refresh" not in page.headers:
            break
        assert re.search(r"<button[^>]* disabled>", page.text), "nobody can say yes before all are counted"
        path = html.unescape(page.headers["Refresh"].partition("url=")[2])
        letters.change(1)
    form = hidden(page.text)
    if not int(form["count"]):
        return "", 0, before
    answer = ada.post("/admin/bulk", **(form | {"why": "a test"}))
    assert answer.status_code == 303
    assert f"{what.value.capitalize()} {int(form['count']):,} transaction" in text(page.text)
    return form["run"], int(form["count"]), before


def play(ada: Browser, parts: Parts, letters: Letters, what: Action, wanted: Filter, changes: int) -> None:
    letters.touched.clear()
    run_id, confirmed, meant = confirm(ada, letters, what, wanted)
    if not run_id:
        return
    letters.change(changes)
    runner = BulkRunner(parts.runs, parts.letters, "w")
    while parts.runs.active():
        parts.client.delete(parts.keys.messages)  # workers that are quick: no run waits for its transactions
        runner.tick()
        letters.change(changes)
    run, done = parts.runs.read(run_id), letters.done_by(run_id)
    assert done <= meant, f"{wanted}: not confirmed, and done: {sorted(done - meant)[:5]}"
    assert meant - done <= set(letters.touched), f"{wanted}: confirmed, and neither done nor anybody else's"
    assert confirmed - len(letters.touched) <= len(done) <= confirmed <= len(meant)
    assert (run.state, run.done, run.confirmed, run.more) == ("done", len(done), confirmed, False)
    check_journal_and_pages(ada, parts, run_id, confirmed, len(done))


def check_journal_and_pages(ada: Browser, parts: Parts, run_id: str, confirmed: int, done: int) -> None:
    run = parts.runs.read(run_id)
    ended, begun = [entry for entry in parts.journal.read(limit=10_000) if entry.run == run_id]
    assert (begun.count, begun.confirmed, begun.filter) == (confirmed, confirmed, run.filter)
    assert (ended.count, ended.confirmed, ended.filter) == (done, confirmed, run.filter)
    page = text(ada.get(f"/admin/bulk/{run_id}").text)
    said = f"Confirmed {confirmed:,} {run.what.did.capitalize()} {done:,} No longer failed {confirmed - done:,}"
    assert said in page
    listed = text(ada.get("/admin/bulk").text)
    assert re.search(rf"{run.what.value.capitalize()} all done .*? {confirmed:,} {done:,} ", listed)


def play_all(ada: Browser, parts: Parts, count: int, changes: int, seed: int) -> None:
    draw = random.Random(seed)
    letters = Letters(parts, draw)
    letters.fill(count)
    for wanted in letters.filters():
        what = Action.REPLAY if wanted.discarded else draw.choice(list(Action))
        play(ada, parts, letters, what, wanted, changes)


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_confirmed_is_what_is_done_with_every_filter(
    ada: Browser, parts: Parts, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("txn.readers.dead_letters.SLICE", 60)
    monkeypatch.setattr("txn.operate.bulk_runner.PER_TICK", 20)
    monkeypatch.setattr("txn.operate.bulk_runner.CHUNK", 10)
    play_all(ada, parts, count=300, changes=3, seed=seed)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [3, 4, 5])
def test_what_is_confirmed_of_10_000_is_what_is_done_with_every_filter(ada: Browser, parts: Parts, seed: int) -> None:
    play_all(ada, parts, count=10_000, changes=20, seed=seed)
