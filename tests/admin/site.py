"""The admin site on a real server, and somebody who clicks."""

import re
from typing import Any
from urllib.parse import urlencode

from argon2 import PasswordHasher
from falcon.testing import Result, TestClient

from tests.parts import Parts
from txn.admin.door.sessions import Sessions
from txn.admin.door.users import read_users
from txn.admin.route import Route
from txn.admin.site import application, create_site, routes
from txn.operate.tools import Tools
from txn.settings import Settings
from txn.store.connection import connect
from txn.store.database import Database
from txn.store.durability import DurabilityMonitor
from txn.store.keys import Keys

PASSWORD = "right horse"
#: As cheap as can be, and the same in each process: tests are named by it. Those of `hash_password` take 50 ms each.
HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD, salt=b"the same")
LINES = f"ada:operate:{HASH}\nvic:view:{HASH}"


def tools_on(url: str, store: Parts, settings: Settings, timeout_ms: int = 30_000) -> Tools:
    """As composition makes them, on the test's prefix and clock."""
    client = connect(url, timeout_ms=timeout_ms)
    database = Database(client, Keys(settings.prefix), store.clock)
    durability = DurabilityMonitor(allow_lossy=False)
    durability.check(client)
    return Tools.on(database, database, settings, durability)


class Browser:
    """Keeps cookies, fills in CSRF tokens, and follows nothing by itself."""

    def __init__(self, parts: Tools, lines: str = LINES) -> None:
        self.parts, self.users = parts, read_users(lines)
        self.app = create_site(parts, self.users)
        self.client = TestClient(self.app)
        self._sessions = Sessions(self.users, parts.settings.admin_secret, parts.settings.admin_session_hours)
        self.cookies: dict[str, str] = {}
        self.csrf = ""

    def get(self, path: str, **headers: str) -> Result:
        return self._seen(self.client.simulate_get(path, headers=headers, cookies=self.cookies))

    def post(self, path: str, csrf: str | None = None, **fields: Any) -> Result:
        fields = {"csrf": self.csrf if csrf is None else csrf} | fields
        return self._seen(self.client.simulate_post(path, params=None, **encoded(fields), cookies=self.cookies))

    def log_in(self, name: str = "ada", password: str = PASSWORD) -> Result:
        """Through the form."""
        self.get("/admin/login")
        result = self.post("/admin/login", name=name, password=password)
        if result.status_code == 303:
            self.get("/admin/search")  # a page with the new session's token
        return result

    def table(self) -> list[Route]:
        return routes(self.parts, self.users, self._sessions)

    def also(self, *more: Route) -> None:
        """Go on in a site that has these routes besides."""
        table = [*self.table(), *more]
        self.client = TestClient(
            application(table, self._sessions, self.parts.durability, self.parts.ended_sessions.has)
        )

    def pages(self, anything: str) -> list[str]:
        """Every path that answers a GET, with `anything` in place of its variables."""
        return [re.sub(r"{[^}]*}", anything, route.template) for route in self.table() if "GET" in route.roles]

    def _seen(self, result: Result) -> Result:
        for name, cookie in result.cookies.items():
            self.cookies[name] = cookie.value
            if cookie.max_age == 0 or not cookie.value:
                del self.cookies[name]
        if found := re.search(r'name="csrf" value="([^"]+)"', result.text if result.content else ""):
            self.csrf = found[1]
        return result


def encoded(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "body": urlencode(fields, doseq=True),
        "headers": {"Content-Type": "application/x-www-form-urlencoded"},
    }
