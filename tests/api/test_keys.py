import io
import logging
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import falcon
import pytest
from falcon.testing import Result, TestClient

from tests.api.client import OTHER_BODY, problem, submit, with_id
from tests.api.conforming import Conforming
from tests.parts import BODY, Parts
from txn.api.app import create_app
from txn.api.door import KeyFile
from txn.api_keys import KeyRing, Role, new_key
from txn.errors import BadSettings
from txn.model.ids import id_for_key
from txn.operate.tools import Tools
from txn.store.durability import DurabilityMonitor

ROLES = {
    "shop": [Role.SUBMIT, Role.READ],
    "rival": [Role.SUBMIT, Role.READ],
    "till": [Role.SUBMIT],
    "books": [Role.READ],
    "ops": [Role.OPERATE],
    "default": [Role.SUBMIT, Role.READ],
}
MADE = {name: new_key(name, roles, date(2026, 11, 28)) for name, roles in ROLES.items()}
RING = KeyRing(key for _, key in MADE.values())
HERE, ELSEWHERE = {"REMOTE_ADDR": "127.0.0.1"}, {"REMOTE_ADDR": "192.0.2.1"}

#: For everybody, with a key or without.
PUBLIC = {
    ("GET", "/"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/api/health"),
    ("GET", "/metrics"),
    ("GET", "/docs"),
    ("GET", "/openapi.json"),
}


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {MADE[name][0]}"}


def keyed_api(parts: Parts, monitor: DurabilityMonitor) -> TestClient:
    tools = Tools.on(parts.database, parts.database, parts.settings, monitor)
    app = create_app(
        parts.store, parts.statistics, monitor, parts.timings, allow_cleanup=True, keys=lambda: RING, tools=tools
    )
    return Conforming(app)


@pytest.fixture
def api(parts: Parts, monitor: DurabilityMonitor) -> TestClient:
    return keyed_api(parts, monitor)


@pytest.fixture
def open_api(parts: Parts, monitor: DurabilityMonitor) -> TestClient:
    return TestClient(create_app(parts.store, parts.statistics, monitor, parts.timings))


def status(api: TestClient, transaction_id: str, name: str) -> Result:
    return api.simulate_get(f"/api/transactions/{transaction_id}", headers=bearer(name))


def asked(api: TestClient, key: str, name: str) -> Any:
    return api.simulate_get(f"/api/transactions?idempotencyKey={key}", headers=bearer(name)).json["transactions"]


def routes(app: Any) -> Iterator[tuple[str, str]]:
    def below(nodes: Any) -> Iterator[tuple[str, str]]:
        for node in nodes:
            for method in node.method_map or {}:
                if hasattr(node.resource, f"on_{method.lower()}"):
                    yield method, node.uri_template
            yield from below(node.children)

    yield from below(app._router._roots)


def test_nothing_but_what_is_for_everybody_is_answered_without_a_key(api: TestClient) -> None:
    found = set(routes(api.app))
    assert found > PUBLIC
    for method, template in found - PUBLIC:
        path = template.replace("{transaction_id}", "a").replace("{run}", "a")
        problem(api.simulate_request(method, path, extras=ELSEWHERE), 401, "unauthorized")


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Basic {}",
        "{}",
        "Bearer {}x",
        "Bearer {}, Bearer {}",
        "Bearer \xe9",
        "Token {}",
    ],
)
def test_what_is_no_key_is_401_and_says_how_to_send_one(api: TestClient, parts: Parts, header: str | None) -> None:
    token = MADE["shop"][0]
    headers = {} if header is None else {"Authorization": header.replace("{}", token)}
    result = submit(api, **headers)
    document = problem(result, 401, "unauthorized")
    assert result.headers["WWW-Authenticate"] == "Bearer"
    assert token not in document["detail"]
    assert parts.queued() == []


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
def test_a_key_is_taken_in_any_spelling_of_its_scheme(api: TestClient, scheme: str) -> None:
    assert submit(api, Authorization=f"{scheme} {MADE['shop'][0]}").status_code == 202


def test_a_stranger_is_refused_before_his_body_is_read(api: TestClient) -> None:
    body = io.BytesIO(BODY)
    environ = falcon.testing.create_environ("/api/transactions", method="POST", headers={"Content-Type": "text/plain"})
    answer = falcon.testing.StartResponseMock()
    application: Any = api.app
    application(environ | {"wsgi.input": body, "CONTENT_LENGTH": str(len(BODY))}, answer)
    assert ((answer.status or "")[:3], body.tell()) == ("401", 0)


@pytest.mark.parametrize(
    ("name", "may"),
    [
        ("shop", "submit read"),
        ("till", "submit"),
        ("books", "read"),
        ("ops", "read operate"),
        ("default", "submit read"),
    ],
)
def test_a_key_may_do_what_its_roles_say(api: TestClient, parts: Parts, name: str, may: str) -> None:
    parts.accept("a")
    answers = {
        "submit": submit(api, **bearer(name)),
        "read": api.simulate_get("/api/transactions?idempotencyKey=none", headers=bearer(name)),
        "operate": api.simulate_post("/api/cleanup", headers=bearer(name), host="localhost"),
    }
    for role, answer in answers.items():
        assert (answer.status_code != 403) == (role in may.split())
        if answer.status_code == 403:
            assert f"the role {role}" in problem(answer, 403, "forbidden")["detail"]


def test_a_client_sees_only_its_own_transactions(api: TestClient) -> None:
    transaction_id = submit(api, key="k", **bearer("shop")).json["transactionId"]
    assert status(api, transaction_id, "shop").status_code == 200
    unknown = status(api, "nobodys", "rival")
    for name in ("rival", "books", "default"):
        found = status(api, transaction_id, name)
        assert problem(found, 404, "not_found") == problem(unknown, 404, "not_found")
        assert asked(api, "k", name) == []
    assert [one["transactionId"] for one in asked(api, "k", "shop")] == [transaction_id]


def test_who_operates_sees_those_of_all(api: TestClient) -> None:
    for name in ("shop", "rival", "default"):
        transaction_id = submit(api, **bearer(name)).json["transactionId"]
        assert status(api, transaction_id, "ops").json["transactionId"] == transaction_id


def test_a_key_of_one_client_is_not_that_of_another(api: TestClient) -> None:
    shop, rival = (submit(api, body, key="k", **bearer(name)) for name, body in [("shop", BODY), ("rival", OTHER_BODY)])
    assert (shop.status_code, rival.status_code) == (202, 202)
    assert shop.json["transactionId"] == id_for_key("k", "shop") != rival.json["transactionId"]
    assert submit(api, key="k", **bearer("shop")).status_code == 200
    assert problem(submit(api, OTHER_BODY, key="k", **bearer("shop")), 422, "content_conflict", "Idempotency-Key")


@pytest.mark.parametrize("body", [BODY, OTHER_BODY])
def test_an_id_of_another_client_is_refused_and_nothing_is_said_of_its_content(
    api: TestClient, parts: Parts, body: bytes
) -> None:
    submit(api, with_id("a"), **bearer("shop"))
    before = parts.record("a")
    document = problem(submit(api, with_id("a", body), **bearer("rival")), 409, "content_conflict", "id")
    assert document["differs"] == []
    assert "another client's" in document["detail"]
    assert parts.record("a") == before
    assert submit(api, with_id("a"), **bearer("shop")).status_code == 200


def test_in_a_batch_each_client_is_alone_too(api: TestClient, parts: Parts) -> None:
    def batch(name: str, **members: Any) -> Any:
        sent = {"transactions": [own, keyed]} | members
        return api.simulate_post("/api/transactions/batch", json=sent, headers=bearer(name)).json["results"]

    own = {"amount": 1, "currency": "USD", "description": "Payment", "id": "a"}
    keyed = {"amount": 1, "currency": "USD", "description": "Payment", "idempotencyKey": "k"}
    assert [one["result"] for one in batch("shop")] == ["created", "created"]
    before = parts.record("a")
    assert [one["result"] for one in batch("rival", atomic=True)] == ["conflict", "not_stored"]
    foreign, other = batch("rival")
    assert (foreign["result"], foreign["problem"]["differs"], other["result"]) == ("conflict", [], "created")
    assert other["transaction"]["transactionId"] == id_for_key("k", "rival")
    assert [one["result"] for one in batch("shop", atomic=True)] == ["replayed", "replayed"]
    assert parts.record("a") == before


def test_nobody_can_take_the_id_that_anothers_key_stands_for(api: TestClient) -> None:
    derived = id_for_key("order-1", "shop")
    for form in (derived, derived.upper(), derived.replace("-", ""), f"{derived[:4]}-{derived[4:]}"):
        problem(submit(api, with_id(form), **bearer("rival")), 400, "invalid", "id")
    assert submit(api, key="order-1", **bearer("shop")).status_code == 202
    assert submit(api, with_id("7f7f7f7f-0000-4000-8000-000000000000"), **bearer("rival")).status_code == 202


def test_keys_can_be_switched_on_while_a_client_repeats(api: TestClient, open_api: TestClient, parts: Parts) -> None:
    first = submit(open_api, key="k")
    assert "client" not in parts.record(first.json["transactionId"])
    again = submit(api, key="k", **bearer("default"))
    assert (again.status_code, again.json) == (200, first.json)
    assert submit(api, key="k", **bearer("shop")).status_code == 202


def test_without_keys_everybody_sees_everything(api: TestClient, open_api: TestClient) -> None:
    transaction_id = submit(api, **bearer("shop")).json["transactionId"]
    assert open_api.simulate_get(f"/api/transactions/{transaction_id}").status_code == 200


def test_the_numbers_are_for_this_machine_and_for_operators(api: TestClient, open_api: TestClient) -> None:
    def health(api: TestClient, name: str | None, **extras: str) -> set[str]:
        headers = bearer(name) if name else {}
        return set(api.simulate_get("/api/health", headers=headers, extras=extras).json)

    everything = health(api, None, **HERE)
    assert {"status", "problems", "queueDepth", "version"} <= everything
    assert health(api, "ops", **ELSEWHERE) == health(open_api, None, **ELSEWHERE) == everything
    for name in (None, "shop", "till", "books"):
        assert health(api, name, **ELSEWHERE) == {"status"}


def test_metrics_are_for_operators_too(api: TestClient) -> None:
    for name, expected in [("ops", 200), ("shop", 403)]:
        assert api.simulate_get("/metrics", headers=bearer(name), extras=ELSEWHERE).status_code == expected
    assert api.simulate_get("/metrics", extras=HERE).status_code == 200


# --- the file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(MADE["shop"][1].line() + "\n")
    return path


class Watched:
    """A second after each change."""

    def __init__(self, path: Path) -> None:
        self._now_s = 0.0
        self._file = KeyFile(str(path), lambda: self._now_s)

    def knows(self, *names: str) -> bool:
        self._now_s += 1
        ring = self._file()
        return {name for name, (token, _) in MADE.items() if ring.find(token)} == set(names)


def test_the_file_is_read_again_when_it_changes(path: Path) -> None:
    watched = Watched(path)
    assert watched.knows("shop")
    path.write_text(f"{MADE['shop'][1].line()}\n{MADE['ops'][1].line()}\n")
    assert watched.knows("shop", "ops")
    beside = path.with_suffix(".new")
    beside.write_text(MADE["ops"][1].line())
    beside.replace(path)
    assert watched.knows("ops")


def test_a_file_with_no_keys_in_it_lets_nobody_in(path: Path) -> None:
    watched = Watched(path)
    path.write_text("# none\n")
    assert watched.knows()


@pytest.mark.parametrize("content", [b"shop:read\n", b"\xff", None])
def test_a_file_that_cannot_be_read_changes_nothing_and_says_so_once(
    path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched(path)
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with caplog.at_level(logging.INFO):
        assert watched.knows("shop")
        assert watched.knows("shop")
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    path.write_text(MADE["ops"][1].line())
    assert watched.knows("ops")


def test_a_file_that_has_the_same_length_and_time_as_before_is_seen(path: Path) -> None:
    watched, times = Watched(path), path.stat()
    line = MADE["rival"][1].line().replace("rival", "shop")
    path.write_text(line + "\n")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert watched.knows("rival")


def test_a_file_that_cannot_be_read_at_the_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="txn keys create"):
        KeyFile(str(tmp_path / "none"))
