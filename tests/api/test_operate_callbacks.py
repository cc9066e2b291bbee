from typing import Any

from falcon.testing import TestClient

from tests.api.client import problem
from tests.api.test_operate_flow import ask
from tests.callbacks.rig import ended
from tests.callbacks.test_letters import given_up
from tests.parts import Parts


def listed(api: TestClient, query: str = "") -> Any:
    answer = ask(api, "GET", "callbacks", query_string=query)
    assert answer.status_code == 200, answer.text
    return answer.json


def test_those_that_were_given_up_are_listed(keyed: TestClient, parts: Parts) -> None:
    first, second = given_up(parts, "a", "b")
    ended(parts, "c")
    found = listed(keyed, "limit=1")
    assert (found["waiting"], found["dead"], [one["name"] for one in found["callbacks"]]) == (1, 2, [first])
    rest = listed(keyed, f"limit=1&before={found['next']}")
    assert ([one["name"] for one in rest["callbacks"]], rest["next"]) == ([second], None)


def test_they_are_replayed_and_discarded_by_name(keyed: TestClient, parts: Parts) -> None:
    first, second = given_up(parts, "a", "b")
    replayed = ask(keyed, "POST", "callbacks/replay", json={"names": [first, "nobody"]}).json
    assert replayed == {"replayed": [first], "notDead": [], "unknown": ["nobody"]}
    discarded = ask(keyed, "POST", "callbacks/discard", json={"names": [first, second], "why": "gone"}).json
    assert discarded == {"discarded": [second], "notDead": [first], "unknown": []}
    assert [entry.by for entry in parts.journal.read()] == ["ops", "ops"]


def test_what_is_wrong_is_said(keyed: TestClient, parts: Parts) -> None:
    given_up(parts, "a")
    problem(ask(keyed, "POST", "callbacks/discard", json={"names": ["a"]}), 400, "invalid", "why")
    problem(ask(keyed, "POST", "callbacks/replay", json={"names": []}), 400, "invalid", "names")
    problem(ask(keyed, "POST", "callbacks/replay", json={"names": [""]}), 400, "invalid", "names.0")
    problem(ask(keyed, "GET", "callbacks", query_string="before=x"), 400, "invalid", "before")
    problem(ask(keyed, "GET", "callbacks", query_string="before="), 400, "invalid", "before")
    problem(ask(keyed, "GET", "callbacks", query_string="limit=0"), 400, "invalid", "limit")
