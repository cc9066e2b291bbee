"""Debian's Chromium without a screen, driven by selenium, with what it says in its console."""

import base64
import shutil
import tempfile
from pathlib import Path
from typing import Any, Self

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = (
    None if CHROMIUM and DRIVER else "chromium and chromedriver are not installed: apt-get install chromium-driver"
)

FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
]
PHONE = (390, 844)
DESKTOP = (1280, 900)


class Chromium:
    """One browser with a fresh profile. `dark` is what the operating system prefers."""

    def __init__(self, size: tuple[int, int] = DESKTOP, *, dark: bool = False) -> None:
        assert CHROMIUM, MISSING
        assert DRIVER, MISSING
        self._profile = Path(tempfile.mkdtemp(prefix="chromium"))
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in [*FLAGS, f"--user-data-dir={self._profile}"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(DRIVER))
        self.console: list[str] = []
        self.resize(size, dark=dark)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.driver.quit()
        shutil.rmtree(self._profile, ignore_errors=True)

    def resize(self, size: tuple[int, int], *, dark: bool = False) -> None:
        """Another screen, without loading anything again."""
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def open(self, url: str) -> None:
        self.driver.get(url)
        self.listen()

    def log_in(self, url: str, name: str, password: str) -> None:
        self.open(f"{url}/admin")
        self.one("[name=name]").send_keys(name)
        self.one("[name=password]").send_keys(password)
        self.one("form.login button").click()
        self.until(lambda: not self.all("form.login"), "the login leads somewhere")

    def one(self, css: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def all(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def text(self) -> str:
        return self.one("body").text

    def until(self, true: Any, what: str, seconds: float = 20) -> None:
        # A page that is left while it is looked at is looked at again.
        waits = WebDriverWait(self.driver, seconds, 0.05, ignored_exceptions=[StaleElementReferenceException])
        waits.until(lambda _: true(), what)

    def listen(self) -> list[str]:
        """Everything the console has said so far: violations of the policy, errors, whatever scripts print."""
        self.console += [line["message"] for line in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]
        return self.console

    def overflows(self) -> bool:
        """Whether the page is wider than the screen. `innerWidth` would not do: on a phone it grows with the page."""
        wide = "const page = document.documentElement; return page.scrollWidth > page.clientWidth"
        return bool(self.driver.execute_script(wide))

    def picture(self, path: Path) -> None:
        """The whole page, however long."""
        height = self.driver.execute_script("return document.documentElement.scrollHeight")
        width = self.driver.execute_script("return document.documentElement.clientWidth")
        clip = {"x": 0, "y": 0, "width": width, "height": max(height, 500), "scale": 1}
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
        path.write_bytes(base64.b64decode(shot["data"]))
