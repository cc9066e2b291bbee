import pytest

from tests.browser.chromium import Chromium
from tests.browser.test_overview import violations
from tests.browser.world import BODY, HOSTILE, PASSWORD, World

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def test_somebody_finds_what_has_failed_and_replays_all_that_match(world: World, chromium: Chromium) -> None:
    world.start_worker()
    world.mock.faults(reject=1.0)
    failed = [world.submit(f"rejected-{number}", BODY) for number in range(30)]
    world.until(lambda: world.health()["failed"] == len(failed), "they are rejected")
    world.mock.faults()

    chromium.log_in(world.url, "ada", PASSWORD)
    chromium.until(lambda: "30 failed transactions" in chromium.text(), "the overview says so")
    chromium.open(f"{world.url}/admin/transactions/{failed[0]}")
    assert HOSTILE in chromium.text()
    chromium.open(f"{world.url}/admin/failed?code=rejected")
    assert len(chromium.all("table.letters tbody tr")) == 30
    chromium.one("a[href^='/admin/failed/preview?what=replay']").click()
    chromium.until(lambda: "Replay 30 transactions?" in chromium.text(), "the preview counts them")
    chromium.one("form.ask [name=why]").send_keys(HOSTILE)
    chromium.one("form.ask button").click()
    chromium.until(lambda: "30 of 30 looked at" in chromium.text(), "the run's page moves to its end by itself")
    assert HOSTILE in chromium.text()
    world.until_quiet()
    chromium.open(f"{world.url}/admin/failed")
    assert "Nothing has failed" in chromium.text()
    chromium.open(f"{world.url}/admin/journal")
    assert HOSTILE in chromium.text()
    chromium.open(f"{world.url}/admin/dramatiq")
    assert "deliver" in chromium.text()
    assert violations(chromium) == []
    world.check_ledger(failed)


def test_somebody_who_may_only_look_is_offered_nothing(world: World, chromium: Chromium) -> None:
    world.start_worker()
    world.mock.faults(reject=1.0)
    name = world.submit("rejected", BODY)
    world.until(lambda: world.health()["failed"] == 1, "it is rejected")
    chromium.log_in(world.url, "vic", PASSWORD)
    for path in ("/failed", f"/transactions/{name}", "/journal", "/bulk", "/dramatiq"):
        chromium.open(f"{world.url}/admin{path}")
        assert HOSTILE not in chromium.text()
        assert chromium.all("form[method=post]:not([action$='/logout']) button:not([data-copy])") == []
    assert violations(chromium) == []


def test_times_move_ids_are_copied_and_bulk_runs_are_a_page_of_their_own(world: World, chromium: Chromium) -> None:
    world.start_worker()
    world.mock.faults(reject=1.0)
    name = world.submit("rejected", BODY)
    world.until(lambda: world.health()["failed"] == 1, "it is rejected")
    chromium.log_in(world.url, "ada", PASSWORD)
    chromium.open(f"{world.url}/admin/failed")
    failed = "return document.querySelector('table.letters time').textContent"
    chromium.driver.execute_script("window.notReloaded = true")
    before = chromium.driver.execute_script(failed)
    chromium.until(
        lambda: chromium.driver.execute_script(failed) != before, "the time moves outside of what is fetched"
    )
    assert chromium.driver.execute_script("return window.notReloaded") is True
    chromium.driver.execute_script(
        "navigator.clipboard.writeText = async (text) => { window.copied = text }; "
        "document.querySelector('table.letters [data-copy]').click(); "
        "document.querySelector('table.letters time').dispatchEvent(new MouseEvent('mouseover', { bubbles: true }))"
    )
    chromium.until(lambda: chromium.driver.execute_script("return window.copied") == name, "the id is copied")
    title = chromium.one("table.letters time").get_attribute("title")
    assert title is not None
    assert "UTC" in title
    assert title.endswith(" here")
    link = chromium.one("table.letters a.mono")
    assert link.size["height"] < 30, "the id is on one line"
    chromium.one("nav a[href='/admin/bulk']").click()
    chromium.until(lambda: "There was no bulk run yet" in chromium.text(), "bulk runs are in the navigation")
    assert violations(chromium) == []


def test_buttons_of_an_open_page_offer_what_can_be_done_now(world: World, chromium: Chromium) -> None:
    name = world.submit("late", BODY)
    chromium.log_in(world.url, "ada", PASSWORD)
    chromium.open(f"{world.url}/admin/transactions/{name}")
    chromium.driver.execute_script("window.notReloaded = true")
    assert chromium.all("#actions button") == []
    world.mock.faults(reject=1.0)
    world.start_worker()
    chromium.until(lambda: len(chromium.all("#actions button")) == 2, "a failed one can be replayed and discarded")
    world.command("discard", name, "--why", "a test", "--yes")
    chromium.until(lambda: len(chromium.all("#actions button")) == 1, "a discarded one only replayed")
    assert chromium.driver.execute_script("return window.notReloaded") is True
    chromium.one("#actions button").click()
    chromium.until(lambda: "Replay this transaction?" in chromium.text(), "and the button works")
    assert violations(chromium) == []


def test_who_pauses_is_not_disturbed_and_sees_that_somebody_was_quicker(world: World, chromium: Chromium) -> None:
    world.start_worker()
    chromium.log_in(world.url, "ada", PASSWORD)
    chromium.one("#pausing summary").click()
    chromium.one("#pausing [name=why]").send_keys("a broken feed")
    as_of = "return [...document.querySelectorAll('.facts time')].at(-1).textContent"
    before = chromium.driver.execute_script(as_of)
    chromium.until(lambda: chromium.driver.execute_script(as_of) != before, "the page has moved on")
    assert chromium.one("#pausing [name=why]").get_attribute("value") == "a broken feed"
    world.command("pause", "--why", "quicker")
    chromium.until(lambda: chromium.all("#pausing form[action='/admin/resume']"), "now it can be resumed")
    assert violations(chromium) == []
