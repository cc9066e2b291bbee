import pytest

from tests.browser.chromium import DESKTOP, PHONE, Chromium
from tests.browser.screenshots import fail, work
from tests.browser.world import BODY, PASSWORD, World

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

#: The bars of the last hour: the chart that moves when something is submitted.
BARS = "#chart-1-1 svg rect.done"


def violations(chromium: Chromium) -> list[str]:
    """What the console has said, but for pages that are not 200: of those the browser itself tells."""
    return [line for line in chromium.listen() if "the server responded with a status of" not in line]


def test_somebody_logs_in_and_watches_the_chart_move_without_reloading(world: World, chromium: Chromium) -> None:
    world.start_worker()
    chromium.log_in(world.url, "ada", PASSWORD)
    assert chromium.one("h1").text == "All is well"
    chromium.driver.execute_script("window.notReloaded = true")
    assert chromium.all(BARS) == []
    world.submit_many(20)
    chromium.until(lambda: chromium.all(BARS), "the chart has a bar")
    first = chromium.one("#chart-1-1 .hit:last-of-type title").get_attribute("textContent")
    world.submit_many(20, "more")
    moved = "return document.querySelector('#chart-1-1 .hit:last-of-type title').textContent"
    chromium.until(lambda: chromium.driver.execute_script(moved) != first, "the chart moves")
    assert chromium.driver.execute_script("return window.notReloaded") is True
    assert violations(chromium) == []


def test_a_wrong_password_leads_nowhere(world: World, chromium: Chromium) -> None:
    chromium.open(f"{world.url}/admin/queues")
    chromium.one("[name=name]").send_keys("ada")
    chromium.one("[name=password]").send_keys("guess")
    chromium.one("form.login button").click()
    chromium.until(lambda: chromium.all(".flash.bad"), "it is refused")
    assert "Name or password is wrong" in chromium.text()
    chromium.one("[name=password]").send_keys(PASSWORD)
    chromium.one("form.login button").click()
    chromium.until(lambda: "Queues and workers" in chromium.text(), "the page that was asked for")


def test_no_page_runs_what_an_attacker_wrote_or_breaks_the_policy(world: World, chromium: Chromium) -> None:
    world.remember_a_day()
    work(world)
    pages = fail(world)
    chromium.log_in(world.url, "ada", PASSWORD)
    for path in pages.values():
        chromium.open(f"{world.url}{path}")
    chromium.open(f"{world.url}{pages['transaction-failed']}")
    assert BODY["description"] in chromium.text()
    assert violations(chromium) == []


def test_no_page_is_wider_than_a_phone(world: World, chromium: Chromium) -> None:
    world.remember_a_day()
    work(world)
    pages = fail(world)
    chromium.log_in(world.url, "ada", PASSWORD)
    chromium.resize(PHONE)
    wide = []
    for name, path in pages.items():
        chromium.open(f"{world.url}{path}")
        if chromium.overflows():
            wide.append(name)
    assert wide == []


def test_when_redis_goes_away_and_comes_back_the_open_page_says_so_by_itself(world: World, chromium: Chromium) -> None:
    world.start_worker()
    chromium.resize(DESKTOP)
    chromium.log_in(world.url, "vic", PASSWORD)
    world.redis_server.kill()
    chromium.until(lambda: "Redis cannot be reached" in chromium.text(), "it says that Redis is away")
    assert "vic" in chromium.text()
    world.redis_server.start()
    chromium.until(lambda: "All is well" in chromium.text(), "all is well again")


def test_a_page_that_was_opened_while_redis_was_away_becomes_whole_by_itself(world: World, chromium: Chromium) -> None:
    world.start_worker()
    world.mock.faults(reject=1.0)
    name = world.submit("rejected", BODY)
    world.until(lambda: world.health()["failed"] == 1, "it is rejected")
    chromium.log_in(world.url, "ada", PASSWORD)
    whole = {
        "/failed": "form.filters",
        f"/transactions/{name}": "button[value=replay]",
        "/dramatiq": ".dramatiq .panel",
        "/failed/preview?what=replay&currency=USD": "form.ask button:not([disabled])",
    }
    for path, part in whole.items():
        world.redis_server.kill()
        chromium.open(f"{world.url}/admin{path}")
        assert "Redis cannot be reached" in chromium.text(), path
        assert chromium.all(part) == []
        world.redis_server.start()
        chromium.until(lambda part=part: chromium.all(part), f"{path} is whole")
        assert "Redis cannot be reached" not in chromium.text()


def test_when_the_api_goes_away_the_open_page_says_that_it_is_old(world: World, chromium: Chromium) -> None:
    world.start_worker()
    chromium.log_in(world.url, "ada", PASSWORD)
    assert not chromium.one("#lost").is_displayed()
    world.processes["api"].kill()
    chromium.until(lambda: chromium.one("#lost").is_displayed(), "the page says that it is old")
    world.start_api()
    chromium.until(lambda: not chromium.one("#lost").is_displayed(), "it is up to date again")


def test_the_keyboard_reaches_everything_in_order_and_keeps_its_place(world: World, chromium: Chromium) -> None:
    chromium.log_in(world.url, "ada", PASSWORD)
    chromium.one("body").send_keys("\ue004")
    focused = "return document.activeElement.textContent"
    assert chromium.driver.execute_script(focused) == "Skip to the page"
    link = chromium.one(".facts a")
    chromium.driver.execute_script("arguments[0].focus()", link)
    seen = "return [...document.querySelectorAll('.facts time')].at(-1).textContent"
    before = chromium.driver.execute_script(seen)
    chromium.until(lambda: chromium.driver.execute_script(seen) != before, "the page was brought up to date")
    assert chromium.driver.switch_to.active_element == link
