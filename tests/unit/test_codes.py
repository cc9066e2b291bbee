import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import txn
from txn import errors
from txn.errors import Invalid, TxnError
from txn.server.answer import refusal
from txn.server.codes import CODES, code_of
from txn.server.problem import Malformed, problem

#: Never raised as they are, never while the API answers, or with a code given at each place.
BASES = {errors.TxnError, errors.Refused, errors.Unavailable, errors.BadSettings, errors.Invalid}
FOLDER = Path(txn.__file__).parent


def calls(name: str) -> Iterator[ast.Call]:
    for path in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
                yield node


def named(call: ast.Call) -> set[object]:
    return {word.value.value for word in call.keywords if word.arg == "code" and isinstance(word.value, ast.Constant)}


def test_every_code_of_an_error_is_in_the_list() -> None:
    raised = {one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, TxnError)} - BASES
    assert len(raised) > 6
    assert {one.code for one in raised} <= set(CODES)
    invalid = set[object]().union(*map(named, calls("Invalid")))
    assert "invalid_json" in invalid
    assert invalid | {Invalid("body", "no").code} <= set(CODES)


def test_every_code_of_the_server_is_in_the_list_with_its_status() -> None:
    found = [[one.value for one in call.args[:2] if isinstance(one, ast.Constant)] for call in calls("Malformed")]
    assert len(found) > 15
    assert [pair for pair in found if len(pair) != 2 or pair[0] not in CODES[str(pair[1])].statuses] == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 406, 413, 415, 418, 429, 500, 502, 503, 504])
def test_the_framework_can_answer_nothing_that_is_not_in_the_list(status: int) -> None:
    assert code_of(status) in CODES


def test_what_the_server_refuses_by_itself_says_whether_to_repeat_it() -> None:
    assert b'"retryable": false' in refusal(Malformed(400, "bad_request", "no")).parts[0]
    assert b'"retryable": true' in refusal(Malformed(408, "request_timeout", "too slow")).parts[0]


@pytest.mark.parametrize(("status", "said"), [(400, b"false"), (429, b"true"), (500, b"true"), (503, b"true")])
def test_a_code_that_is_not_in_the_list_is_judged_by_its_status(status: int, said: bytes) -> None:
    assert b'"retryable": ' + said in problem(status, "new", "new")
