"""`python -m tests.browser.screenshots [FOLDER]`: a picture of every page, light, dark and on a phone."""

import sys
import tempfile
import time
from pathlib import Path

import requests

from tests.browser.chromium import DESKTOP, MISSING, PHONE, Chromium
from tests.browser.world import BODY, PASSWORD, World

FOLDER = Path(__file__).parents[2] / "docs" / "use" / "admin"
#: Something hangs long enough to be seen in flight; what fails is tried again at once.
SETTINGS = {
    "TXN_POSTING_TIMEOUT_MS": "15000",
    "TXN_DOUBT_WINDOW_MS": "15000",
    "TXN_ANSWER_IS_FINAL": "1",
}
LOOKS = {"light": (DESKTOP, False), "dark": (DESKTOP, True), "phone": (PHONE, False), "phone-dark": (PHONE, True)}


def main(folder: Path) -> None:
    """Bring a system up, let something happen in it, and look at it."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, World(Path(temporary), SETTINGS) as world, Chromium() as chromium:
        world.remember_a_day()
        take(chromium, folder, "login", f"{world.url}/admin/login")
        chromium.log_in(world.url, "ada", PASSWORD)
        work(world)
        take(chromium, folder, "overview-well", f"{world.url}/admin")
        for name, path in fail(world).items():
            take(chromium, folder, name, f"{world.url}{path}")
        operate(world, chromium, folder)
        world.redis_server.kill()
        take(chromium, folder, "redis-away", f"{world.url}/admin")


def work(world: World) -> None:
    """All is well."""
    world.start_worker()
    world.submit_many(120)
    world.until_quiet()


def fail(world: World) -> dict[str, str]:
    """Something goes wrong in every way: name of a page -> its path."""
    world.mock.faults(reject=1.0)
    failed = [world.submit(f"rejected-{number}", BODY) for number in range(7)]
    world.until(lambda: world.health()["failed"] == len(failed), "they are rejected")
    world.mock.faults()
    conflict = contradicted(world)
    world.mock.faults(fail_after=0.6, fail_before=0.2, latency_ms=40)
    retried = [world.submit(f"retried-{number}") for number in range(10)]
    world.until_quiet()
    longest = max(retried, key=lambda name: world.client.hlen(f"txn:t:{name}"))
    world.mock.faults(hang_until_released=1.0)
    for number in range(4):
        world.submit(f"hanging-{number}")
    world.until(lambda: world.health()["processing"] > 0, "something is in flight")
    return {
        "overview": "/admin",
        "queues": "/admin/queues",
        "transaction-completed": f"/admin/transactions/{longest}",
        "transaction-failed": f"/admin/transactions/{failed[0]}",
        "transaction-conflict": f"/admin/transactions/{conflict}",
        "look": f"/admin/transactions/{conflict}/look",
        "search": "/admin/search?q=order-of-yesterday",
        "failed": "/admin/failed",
        "failed-preview": "/admin/failed/preview?what=replay&code=rejected",
        "failed-discarded": "/admin/failed?state=discarded",
        "bulk-runs": "/admin/bulk",
        "journal": "/admin/journal",
        "messages": "/admin/dramatiq",
        "messages-failed": "/admin/dramatiq/queues/deliver/failed",
        "not-found": "/admin/transactions/nobody",
    }


def contradicted(world: World) -> str:
    """One whose id the posting service holds with other content, and two that somebody has discarded."""
    name = "order-7-of-november"
    row = {"id": name, "timestamp": "2026-11-23T18:15:00.000Z"} | BODY | {"amount": 99, "description": "Payment"}
    requests.post(f"{world.mock.url}/transactions", json=row, timeout=10).raise_for_status()
    world.submit(body=BODY | {"id": name})
    world.until(lambda: world.status(name)["status"] == "failed", "it is a conflict")
    discarded = world.command(
        "discard", "--all", "--code", "rejected", "--until", "0m", "--why", "paid by hand", "--yes"
    )
    assert discarded.returncode == 0, discarded.stderr
    world.mock.faults(reject=1.0)
    failed = world.health()["failed"]
    for number in range(7):
        world.submit(f"again-{number}", BODY)
    world.until(lambda: world.health()["failed"] == failed + 7, "they are rejected")
    return name


def operate(world: World, chromium: Chromium, folder: Path) -> None:
    """Somebody replays all that match, and that is in the journal."""
    chromium.open(f"{world.url}/admin/failed/preview?what=replay&code=rejected")
    chromium.one("form.ask [name=why]").send_keys("the bank has raised its limit")
    chromium.one("form.ask button").click()
    chromium.until(lambda: "looked at" in chromium.text(), "the run has a page")
    take(chromium, folder, "bulk", chromium.driver.current_url)
    take(chromium, folder, "journal", f"{world.url}/admin/journal")


def take(chromium: Chromium, folder: Path, name: str, url: str) -> None:
    """One page in every look."""
    for look, (size, dark) in LOOKS.items():
        chromium.resize(size, dark=dark)
        chromium.open(url)
        time.sleep(0.3)  # nothing is waited for: transitions end
        chromium.picture(folder / f"{name}-{look}.png")
        if chromium.overflows():
            print(f"{name}-{look} is wider than the screen")


if __name__ == "__main__":
    if MISSING:
        sys.exit(MISSING)
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
