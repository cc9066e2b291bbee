"""`story.py CLIENT URL NAME`: what a stranger's program does with the API, told line by line.

Those in other languages (fetch.mjs, axios.mjs, net_http.go, HttpClientStory.java) do and tell the same.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote


class Answer(NamedTuple):
    """`headers`: names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: Any


Send = Callable[[str, str, Any, Mapping[str, str]], Answer]
PAYMENT = {"amount": 100.5, "currency": "USD", "description": "Payment", "metadata": {"order_id": "12345"}}


def tell(send: Send, name: str) -> None:
    """One line for each step."""
    key, path = f"{name}-0", "/api/transactions"
    submit = send("POST", path, PAYMENT, {"Idempotency-Key": key})
    print("submit", submit.status, submit.body["status"])
    own = submit.body["transactionId"]
    again = send("POST", path, PAYMENT, {"Idempotency-Key": key})
    is_same = str(again.body["transactionId"] == own).lower()
    print("repeat", again.status, again.headers.get("idempotent-replayed"), is_same)
    while (found := send("GET", f"{submit.headers['location']}?wait=20", None, {}).body)["status"] == "pending":
        pass
    print("wait", found["status"], found["error"])
    items = [
        PAYMENT | {"idempotencyKey": f"{name}-1"},
        PAYMENT | {"idempotencyKey": f"{name}-2"},
        PAYMENT | {"amount": -1},
    ]
    results = send("POST", f"{path}/batch", items, {}).body["results"]
    print("batch", *(one["result"] for one in results))
    ours = {own, *(one["transaction"]["transactionId"] for one in results[:2])}
    print("listed", sum(one in ours for one in listed(send, path, submit.body["submittedAt"])))
    conflict = send("POST", path, PAYMENT | {"amount": 7}, {"Idempotency-Key": key})
    print("conflict", conflict.status, conflict.body["code"], *conflict.body["differs"])
    invalid = send("POST", path, PAYMENT | {"currency": "usd"}, {})
    print("invalid", invalid.status, invalid.body["code"], invalid.body["field"], invalid.headers["content-type"])
    missing = send("GET", f"{path}/{name}-nobody", None, {})
    print("missing", missing.status, missing.body["code"], str(missing.body["retryable"]).lower())


def listed(send: Send, path: str, since: str) -> list[str]:
    found, cursor = [], ""
    while cursor is not None:
        query = f"since={quote(since)}&limit=2" + (f"&cursor={cursor}" if cursor else "")
        page = send("GET", f"{path}?{query}", None, {}).body
        found += [one["transactionId"] for one in page["transactions"]]
        cursor = page["cursor"]
    return found


def by_curl(url: str) -> Send:
    def send(method: str, path: str, body: Any, headers: Mapping[str, str]) -> Answer:
        command = ["curl", "-s", "-i", "-X", method, url + path]
        if body is not None:
            command += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        for name, value in headers.items():
            command += ["-H", f"{name}: {value}"]
        head, _, text = subprocess.run(command, capture_output=True, text=True, check=True).stdout.partition("\n\n")
        first, *lines = head.splitlines()
        found = dict(line.split(": ", 1) for line in lines)
        return Answer(int(first.split()[1]), {name.lower(): value for name, value in found.items()}, json.loads(text))

    return send


def by_requests(url: str) -> Send:
    import requests  # noqa: PLC0415  (each client is in an environment of its own)

    session = requests.Session()

    def send(method: str, path: str, body: Any, headers: Mapping[str, str]) -> Answer:
        found = session.request(method, url + path, json=body, headers=headers, timeout=60)
        return Answer(found.status_code, {name.lower(): value for name, value in found.headers.items()}, found.json())

    return send


def by_httpx(url: str) -> Send:
    import httpx  # noqa: PLC0415

    client = httpx.Client(base_url=url, timeout=60)

    def send(method: str, path: str, body: Any, headers: Mapping[str, str]) -> Answer:
        found = client.request(method, path, headers=headers, **({} if body is None else {"json": body}))
        return Answer(found.status_code, found.headers, found.json())

    return send


def by_aiohttp(url: str) -> Send:
    import aiohttp  # noqa: PLC0415

    runner = asyncio.Runner()

    async def open_session() -> Any:
        return aiohttp.ClientSession(url, timeout=aiohttp.ClientTimeout(60))

    session = runner.run(open_session())

    def send(method: str, path: str, body: Any, headers: Mapping[str, str]) -> Answer:
        async def ask() -> Answer:
            async with session.request(method, path, json=body, headers=headers) as found:
                # aiohttp believes only `application/json` to be JSON; what an error looks like, our docs say.
                return Answer(found.status, found.headers, await found.json(content_type=None))

        return runner.run(ask())

    return send


if __name__ == "__main__":
    client, url, name = sys.argv[1:]
    tell(globals()[f"by_{client}"](url), name)
