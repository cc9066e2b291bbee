import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from txn.model.content import differing, dumps, loads
from txn.posting.row import Unreadable, read_object
from txn.posting.transport import MAX_ANSWER_BYTES

OURS = loads(b'{"amount":100.50,"currency":"USD","description":"Payment","metadata":{"order_id":"12345"}}')
HALF = MAX_ANSWER_BYTES // 2 - 200


def row(**raw: bytes) -> bytes:
    """A row as bytes; of each field what the test says, and ours for the rest."""
    fields = {
        "id": b'"a"',
        "amount": b"100.5",
        "currency": b'"USD"',
        "description": b'"Payment"',
        "metadata": b'{"order_id": "12345"}',
    } | raw
    return b"{" + b",".join(b'"%s":%s' % (name.encode(), value) for name, value in fields.items()) + b"}"


def is_ours(body: bytes, content_type: str = "application/json") -> bool:
    found = read_object(body, content_type)
    return found is not None and found.get("id") == "a" and not differing(OURS, found)


HARMLESS = {
    "NaN": b"NaN",
    "Infinity": b"[1, -Infinity]",
    "5,000 digits": b"9" * 5_000,
    "a mebibyte of digits": b"9" * (MAX_ANSWER_BYTES - 200),
    "no exponent of ours": b"1e99999999999999999999",
    "a small one": b"-1E-99999999999999999999",
    "Latin-1": b'"Z\xfcrich"',
    "half a surrogate pair": b'"\\ud800"',
    "a control character": b'"\x01"',
    "a bad escape": b'"\\x41"',
    "a repeated key": b'{"a": 1, "a": 2}',
    "a repeated key of ours": b'{"id": "b", "id": "c"}',
    "brackets in a text": b'"}]\\"}", "z": ["\\\\"], "u": NaN',
    "deep": b"[" * HALF + b"]" * HALF,
    "deep and mixed": b'[{"a":' * 70_000 + b"NaN" + b"}]" * 70_000,
    "wide": b"[" + b"[]," * 300_000 + b"NaN]",
    "many texts": b"[" + b'"\\"",' * 150_000 + b"NaN]",
    "hex": b"0x1F",
    "a plus": b"+1",
    "Python": b"None",
}


@pytest.mark.parametrize("value", HARMLESS.values(), ids=HARMLESS)
@pytest.mark.parametrize("before", [True, False])
def test_what_does_not_count_cannot_hurt(value: bytes, before: bool) -> None:
    body = b'{"createdAt":%s,%s' % (value, row()[1:]) if before else row(created_at=value)
    began = time.thread_time()
    assert is_ours(body)
    assert time.thread_time() - began < 10


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
def test_a_row_may_come_in_any_encoding_that_shows_itself(encoding: str) -> None:
    assert is_ours(row(name='"Zürich 🧾"'.encode()).decode().encode(encoding))


@pytest.mark.parametrize("charset", ["ISO-8859-1", '"iso-8859-1"', "latin1", "windows-1252", "Latin-1; x=y"])
def test_latin_1_is_read_if_it_is_said(charset: str) -> None:
    body = row(description='"Zürich"'.encode("latin-1"))
    ours = OURS | {"description": "Zürich"}
    said = read_object(body, f"application/json; charset={charset}")
    assert said is not None
    assert not differing(ours, said)
    unsaid = read_object(body, "application/json")
    assert unsaid is not None
    assert differing(ours, unsaid) == ("description",)


def test_a_key_may_be_written_with_escapes() -> None:
    assert is_ours(row(x=b"NaN").replace(b'"amount"', b'"\\u0061mount"'))


@pytest.mark.parametrize(
    "value",
    [
        b"NaN",
        b"Infinity",
        b"1e9999999999",
        b"1e99999999999999999999",
        b"1e-9999999999",
        b"100.5e99999999999999999999",
        b"9" * 5_000,
        b"9" * (MAX_ANSWER_BYTES - 200),
        b"100." + b"5" * (MAX_ANSWER_BYTES - 200),
        b'"' + b"1" * (MAX_ANSWER_BYTES - 200) + b'"',
        b'"1e99999999999999999999"',
        b'"NaN"',
        b"+100.5",
        b"100.50000000000000000000000000000000000001",
        b'100.5,"amount":100.5',
        b"[" * HALF + b"]" * HALF,
    ],
    ids=lambda value: repr(value[:24]),
)
def test_an_amount_that_is_none_is_another_amount_and_soon_known_to_be(value: bytes) -> None:
    began = time.thread_time()
    found = read_object(row(amount=value))
    assert found is not None
    assert differing(OURS, found) == ("amount",)
    assert time.thread_time() - began < 10


@pytest.mark.parametrize(
    "value",
    [b'{"order_id": "12345", "order_id": "12345"}', b'{"order_id": "12345", "x": NaN}', b'"{\\"order_id\\": NaN}"'],
)
def test_metadata_that_are_none_are_other_metadata(value: bytes) -> None:
    found = read_object(row(metadata=value))
    assert found is not None
    assert differing(OURS, found) == ("metadata",)


@pytest.mark.parametrize("body", [row(id=b'"a","id":"a"'), row(id=b"NaN"), row(id=b"'a'"), row(id=b'"\xe9"')])
def test_an_id_that_is_none_is_nobodys(body: bytes) -> None:
    found = read_object(body)
    assert found is not None
    assert isinstance(found["id"], Unreadable)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null",
        b"NaN",
        b"[]",
        b"[" + row() + b"]",
        b'"a"',
        b"<html>",
        row() + b"x",
        row() + b"\x00",
        row() + row(),
        row(x=b"NaN")[:-1],
        row(x=b"NaN") + b"}",
        row(x=b"[1"),
        row(x=b"1]"),
        row(x=b"NaN 1"),
        row(x=b""),
        row(x=b'"'),
        b"{" + row(x=b"NaN")[1:-1] + b",}",
        b"{,}",
        b'{"id"}',
        b"{id: 1}",
        row(x=b"NaN").decode().encode("utf-16")[:-1],
        b"\xff" * 1_000,
        b"{" * MAX_ANSWER_BYTES,
        b"[" * MAX_ANSWER_BYTES,
        b'"' * MAX_ANSWER_BYTES,
        b'{"a":' + b'"\\' * HALF,
        b"{" + b'"a":' * 200_000,
        b"\xef\xbb\xbf" * 300_000,
        b" " * MAX_ANSWER_BYTES,
        b"9" * MAX_ANSWER_BYTES,
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_no_object_says_nothing_and_soon(body: bytes) -> None:
    began = time.thread_time()
    assert read_object(body) is None
    assert time.thread_time() - began < 10


def test_strict_json_is_read_with_every_field_and_every_digit() -> None:
    assert read_object(b'{"id":"a","x":1.10}') == {"id": "a", "x": Decimal("1.10")}
    assert read_object(b"\xef\xbb\xbf{ }") == read_object(b"{}") == {}


LEAVES = st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=6
)
NAMES = st.sampled_from(["id", "amount", "currency", "description", "metadata", "other", 'a"}]\\'])


@given(st.dictionaries(NAMES, VALUES), st.sampled_from([b" ", b"", b"\r\n\t"]))
@examples(max_examples=300, deadline=None)
def test_an_odd_row_is_read_as_the_same_row_without_its_oddity(fields: dict[str, object], space: bytes) -> None:
    strict = loads(dumps(fields))
    inner = dumps(fields)[1:-1]
    odd = space.join([b"{", b'"odd"', b":", b"NaN", b"," + inner if inner else b"", b"}", b""])
    counting = {name: value for name, value in strict.items() if name not in ("other", 'a"}]\\')}
    assert read_object(odd) == counting


@given(st.binary(max_size=60) | st.text('{}[]",:\\ idNaN0\u00fc', max_size=60).map(str.encode))
@examples(max_examples=1_000, deadline=None)
def test_whatever_comes_is_an_object_or_none(body: bytes) -> None:
    assert isinstance(read_object(body, "application/json; charset=latin-1"), dict | None)
