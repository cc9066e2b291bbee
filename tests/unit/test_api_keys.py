import hashlib
from datetime import date

import pytest

from tests.parts import BODY
from txn.api_keys import Caller, KeyRing, Role, new_key
from txn.errors import BadSettings
from txn.model.ids import id_for_key
from txn.model.submission import parse_submission

DIGEST = hashlib.sha256(b"token").hexdigest()


def test_a_key_is_known_by_its_hash_and_nothing_else_is() -> None:
    ring = KeyRing.parse(f"\n# ours\nshop:submit,read:{DIGEST}:2026-11-28\n", "here")
    assert ring.find("token") == Caller("shop", frozenset({Role.SUBMIT, Role.READ}))
    for other in ("", "token ", "Token", DIGEST, "token\x00", "t\xf6ken", "\udc80"):
        assert ring.find(other) is None


def test_a_digest_that_begins_alike_is_another_key() -> None:
    alike = DIGEST[:-1] + ("0" if DIGEST[-1] != "0" else "1")
    assert KeyRing.parse(f"shop:read:{alike}:", "here").find("token") is None


def test_a_new_key_is_long_and_its_line_does_not_hold_it() -> None:
    (one, line), (other, _) = (new_key("shop", [Role.SUBMIT], date(2026, 11, 28)) for _ in range(2))
    assert one != other
    assert len(one) >= 40
    assert one not in line.line() + repr(line)
    assert line.digest.hex() not in repr(line)
    assert KeyRing.parse(line.line(), "here").find(one) == line.caller


def test_several_keys_of_a_client_are_the_same_client() -> None:
    made = [new_key("shop", [Role.READ], date(2026, 11, 28)) for _ in range(2)]
    ring = KeyRing.parse("\n".join(key.line() for _, key in made), "here")
    assert {ring.find(token) for token, _ in made} == {Caller("shop", frozenset({Role.READ}))}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f":read:{DIGEST}:", "the client's name"),
        (f"a b:read:{DIGEST}:", "the client's name"),
        (f"shop:write:{DIGEST}:", "the roles"),
        (f"shop::{DIGEST}:", "the roles"),
        ("shop:read:secret:", "SHA-256"),
        (f"shop:read:{DIGEST.upper()}:", "SHA-256"),
        (f"shop {DIGEST}", "SHA-256"),
        (f"shop:read:{DIGEST}:\nother:read:{DIGEST}:", "there already"),
    ],
)
def test_a_line_that_is_none_is_named_without_its_content(line: str, said: str) -> None:
    with pytest.raises(BadSettings, match=said) as caught:
        KeyRing.parse(line, "TXN_API_KEYS")
    assert "TXN_API_KEYS line" in str(caught.value)
    assert DIGEST not in str(caught.value).lower()
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a:b", "x" * 65, "a b", "\u00e9"])
def test_no_key_is_made_for_a_client_without_a_proper_name(name: str) -> None:
    with pytest.raises(BadSettings, match="name"):
        new_key(name, [Role.READ], date(2026, 11, 28))


def test_who_operates_may_read_everything_and_submit_nothing() -> None:
    operator, reader = Caller("ops", frozenset({Role.OPERATE})), Caller("shop", frozenset({Role.READ}))
    assert [operator.may(role) for role in (Role.READ, Role.OPERATE, Role.SUBMIT)] == [True, True, False]
    assert [reader.may(role) for role in (Role.READ, Role.OPERATE, Role.SUBMIT)] == [True, False, False]
    assert (operator.sees, reader.sees) == (None, "shop")


def test_no_two_clients_share_a_key_and_the_default_one_keeps_its_ids() -> None:
    ids = [
        id_for_key(key, client) for client, key in [("", "a:b"), ("a", "b"), ("a:b", ""), ("", "1:a:b"), ("1", "a:b")]
    ]
    assert len(set(ids)) == len(ids)
    assert parse_submission(BODY, "order-1").id == "b0b632a7-b886-59cf-8653-57943de1965d"
    assert parse_submission(BODY, "order-1", "shop").id == id_for_key("order-1", "shop") != id_for_key("order-1")
