from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import Chromium
from tests.browser.screenshots import LOOKS, fail, work
from tests.browser.world import PASSWORD, World

AXE = Path(__file__).parent / "node_modules/axe-core/axe.min.js"
RUN = (
    "const done = arguments[0]; axe.run(document).then((found) => done(found.violations), (error) => done(`${error}`))"
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: it needs npm"),
]


def violations(chromium: Chromium) -> list[str]:
    chromium.driver.execute_script(AXE.read_text())
    found: Any = chromium.driver.execute_async_script(RUN)
    assert isinstance(found, list), found
    return [f"{one['id']}: {node['target']}: {node['failureSummary']}" for one in found for node in one["nodes"]]


def test_axe_finds_nothing_on_any_page_in_any_look(world: World, chromium: Chromium) -> None:
    world.remember_a_day()
    work(world)
    pages = {"overview-well": "/admin"} | fail(world)
    found = []
    chromium.open(f"{world.url}/admin/login")
    found += look_all(chromium, "login")
    chromium.log_in(world.url, "ada", PASSWORD)
    for name, path in pages.items():
        chromium.open(f"{world.url}{path}")
        found += look_all(chromium, name)
    chromium.open(f"{world.url}/admin/failed")
    chromium.one("table.letters [name=id]").click()
    chromium.one("button[value=discard]").click()
    chromium.until(lambda: chromium.all("form.ask"), "it asks")
    found += look_all(chromium, "confirm")
    world.redis_server.kill()
    chromium.open(f"{world.url}/admin")
    found += look_all(chromium, "redis-away")
    assert not found, "\n".join(found)


def look_all(chromium: Chromium, name: str) -> list[str]:
    found = []
    for look, (size, dark) in LOOKS.items():
        chromium.resize(size, dark=dark)
        if chromium.overflows():
            found.append(f"{name}, {look}: wider than the screen")
        found += [f"{name}, {look}: {said}" for said in violations(chromium)]
    return found
