import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.callbacks.receiver import KEY, OLD_SECRET, SECRET
from txn.client import (
    Callback,
    CallbackRefused,
    Client,
    ClientError,
    NotSigned,
    OutOfTime,
    WrongSignature,
    verify_callback,
)
from txn.signatures import signature

BODY = json.dumps(
    {
        "type": "transaction.failed",
        "timestamp": "2026-11-28T18:15:00.123Z",
        "data": {
            "transactionId": "a",
            "status": "failed",
            "submittedAt": "2026-11-28T18:14:00.000Z",
            "completedAt": "2026-11-28T18:15:00.123Z",
            "error": {"code": "rejected", "detail": "no"},
        },
    }
).encode()


def signed(body: bytes = BODY, key: bytes = KEY, ago_s: float = 0) -> dict[str, str]:
    at = int(time.time() - ago_s)
    return {
        "Webhook-Id": "name",
        "WEBHOOK-TIMESTAMP": str(at),
        "webhook-signature": signature(key, "name", at, body),
        "Host": "shop.example",
    }


def test_one_that_is_signed_is_read() -> None:
    found = verify_callback(signed(), BODY, SECRET)
    assert (found.id, found.type, found.at.year) == ("name", "transaction.failed", 2026)
    assert found.transaction is not None
    assert (found.transaction.id, found.transaction.is_final) == ("a", True)
    assert found.transaction.failure is not None
    assert found.transaction.failure.code == "rejected"


@pytest.mark.parametrize("secrets", [[SECRET, OLD_SECRET], [OLD_SECRET, SECRET], (SECRET,)])
def test_one_secret_of_several_is_enough(secrets: Any) -> None:
    assert verify_callback(signed(), BODY, secrets).id == "name"


def test_one_signature_of_several_is_enough() -> None:
    headers = signed()
    headers["webhook-signature"] = f"v1,AAAA v2,x nonsense {headers['webhook-signature']} v1,"
    assert verify_callback(headers, BODY, SECRET).id == "name"


@pytest.mark.parametrize("changed", [BODY + b" ", BODY.replace(b"failed", b"completed"), b""])
def test_one_that_was_changed_on_the_way_is_refused(changed: bytes) -> None:
    with pytest.raises(WrongSignature):
        verify_callback(signed(), changed, SECRET)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Webhook-Id", "other"),
        ("webhook-signature", "v1,AAAA"),
        ("webhook-signature", "v2,x"),
        ("webhook-signature", "é"),
    ],
)
def test_one_with_other_headers_is_refused(name: str, value: str) -> None:
    with pytest.raises(WrongSignature):
        verify_callback(signed() | {name: value}, BODY, SECRET)


def test_one_that_is_signed_with_another_secret_is_refused() -> None:
    with pytest.raises(WrongSignature):
        verify_callback(signed(), BODY, OLD_SECRET)


@pytest.mark.parametrize("missing", ["Webhook-Id", "WEBHOOK-TIMESTAMP", "webhook-signature"])
def test_one_without_signature_is_refused(missing: str) -> None:
    headers = {name: value for name, value in signed().items() if name != missing}
    with pytest.raises(NotSigned):
        verify_callback(headers, BODY, SECRET)


@pytest.mark.parametrize("timestamp", ["now", "-1", "1e9", "nan", "", "1" * 13, "١٢٣"])
def test_a_time_that_is_none_is_refused(timestamp: str) -> None:
    with pytest.raises(NotSigned):
        verify_callback(signed() | {"WEBHOOK-TIMESTAMP": timestamp}, BODY, SECRET)


@pytest.mark.parametrize("ago_s", [310, -310, 1_000_000])
def test_an_old_one_is_refused(ago_s: float) -> None:
    headers = signed(ago_s=ago_s)
    with pytest.raises(OutOfTime):
        verify_callback(headers, BODY, SECRET)
    assert verify_callback(headers, BODY, SECRET, tolerance_s=2_000_000).id == "name"


@pytest.mark.parametrize("ago_s", [290, -290])
def test_clocks_may_differ_by_five_minutes(ago_s: float) -> None:
    assert verify_callback(signed(ago_s=ago_s), BODY, SECRET).id == "name"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, BODY.replace(b"completedAt", b"x")])
def test_one_that_is_signed_and_none_of_ours_is_refused(body: bytes) -> None:
    with pytest.raises(CallbackRefused):
        verify_callback(signed(body), body, SECRET)


def test_one_of_a_later_type_has_no_transaction() -> None:
    body = b'{"type": "account.closed", "timestamp": "2026-11-28T18:15:00.123Z", "data": {"x": 1}}'
    found = verify_callback(signed(body), body, SECRET)
    assert (found.type, found.data, found.transaction) == ("account.closed", {"x": 1}, None)


def test_wrong_use_is_said_and_shows_no_secret() -> None:
    for secrets in ("", [], "secret", f"{SECRET}!", [SECRET, "whsec_AAAA"]):
        with pytest.raises(ValueError, match="secret") as caught:
            verify_callback(signed(), BODY, secrets)
        assert SECRET not in str(caught.value)
    with pytest.raises(TypeError, match="bytes"):
        verify_callback(signed(), BODY.decode(), SECRET)  # type: ignore[arg-type]


@given(
    st.dictionaries(st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text()), st.binary()
)
def test_whatever_comes_is_refused_with_one_error(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(CallbackRefused) as caught:
        verify_callback(headers, body, SECRET)
    assert isinstance(caught.value, ClientError)


def test_a_submit_names_where_it_is_told() -> None:
    sent: list[bytes] = []

    class Sending(Client):
        def _call(self, _method: str, _path: str, body: bytes = b"", *_more: Any, **_others: Any) -> Any:
            sent.append(body)
            raise ClientError

    with Sending("http://127.0.0.1:9") as client, pytest.raises(ClientError):
        client.submit("1", "USD", "x", callback_url="https://hooks.example/x")
    assert json.loads(sent[0])["callbackUrl"] == "https://hooks.example/x"


def test_its_representation_is_that_of_a_value() -> None:
    assert isinstance(verify_callback(signed(), BODY, SECRET), Callback)
