import json
import uuid
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from txn.model.content import differing, dumps, fingerprint, loads, same_id

OURS: dict[str, Any] = {
    "amount": Decimal("100.50"),
    "currency": "USD",
    "description": "Payment",
    "metadata": {"order_id": "12345"},
}


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    # Both ways of comparing have to agree, and neither may depend on the order.
    answer = not differing(one, other)
    assert (not differing(other, one)) == answer
    assert (fingerprint(one) == fingerprint(other)) == answer
    return answer


def metadata(raw: str) -> dict[str, Any]:
    return OURS | {"metadata": loads(raw.encode())}


def test_a_content_is_itself_and_its_fingerprint_is_32_hex_digits() -> None:
    assert equal(OURS, dict(OURS))
    assert len(fingerprint(OURS)) == 32
    assert int(fingerprint(OURS), 16)


ODD = {"amount": Decimal("0.01"), "currency": "EUR", "description": 'caf\u00e9 \u2028 "\\\n\x7f \U0001f600'}
ODD_METADATA = '{"b":[1,1.50,-2e3,true,null,{"z":"\u2029","a":""}],"a":{"":12345678901234567890123456789.10}}'


@pytest.mark.parametrize(
    ("content", "known"),
    [
        (OURS, "4d7910e1608974ffd0e4400a3abbcc68"),
        (ODD | {"metadata": loads(ODD_METADATA.encode())}, "e2c0772f3e6bfa50101b53d0b0c44cc5"),
        ({"amount": 1, "currency": "JPY", "description": "x", "metadata": None}, "fd2916411be08db3336f32e54ed1656c"),
    ],
)
def test_a_fingerprint_is_the_one_that_records_of_earlier_versions_hold(content: dict[str, Any], known: str) -> None:
    assert fingerprint(content) == known


def test_the_fingerprint_depends_on_the_values_only() -> None:
    assert fingerprint(OURS) == fingerprint(loads(dumps(OURS)))
    assert fingerprint(OURS | {"metadata": None}) == fingerprint({k: v for k, v in OURS.items() if k != "metadata"})


@pytest.mark.parametrize(
    "raw", ["100.5", "100.50", "100.500", "1.005e2", "10050e-2", '"100.5"', '"100.50"', '"1.005E2"']
)
def test_an_amount_is_compared_as_a_value_however_it_is_written(raw: str) -> None:
    assert equal(OURS, OURS | {"amount": loads(raw.encode())})


@pytest.mark.parametrize("raw", ["100.51", "100.5000000000000000000000000001", "-100.50", "1005", '"100,50"', "true"])
def test_another_amount_is_another_content(raw: str) -> None:
    assert not equal(OURS, OURS | {"amount": loads(raw.encode())})


def test_1e2_is_100() -> None:
    assert equal(OURS | {"amount": Decimal("1e2")}, OURS | {"amount": 100})
    assert equal(metadata('{"a":1e2}'), metadata('{"a":100}'))
    assert equal(metadata('{"a":1e2}'), metadata('{"a":100.0}'))


@pytest.mark.parametrize(
    "amount",
    ["", "x", "NaN", "-NaN", "sNaN", "NaN123", "sNaN1", "Infinity", "-Infinity", "1e999999999999999999999", "\ud800"],
)
def test_an_amount_that_is_no_number_is_another_content_and_no_fault_of_ours(amount: str) -> None:
    assert differing(OURS, OURS | {"amount": amount})


@pytest.mark.parametrize("amount", [None, True, False, [], {}, [100.5], {"value": Decimal("100.50")}, 10**4_000, 0])
def test_an_amount_of_another_kind_is_another_content(amount: Any) -> None:
    assert differing(OURS, OURS | {"amount": amount})


@pytest.mark.parametrize("field", ["amount", "currency", "description"])
def test_a_missing_field_is_another_content(field: str) -> None:
    assert not equal(OURS, {name: value for name, value in OURS.items() if name != field})


@pytest.mark.parametrize(
    "other",
    [
        {"currency": "EUR"},
        {"currency": "usd"},
        {"description": "Payment "},
        {"description": "payment"},
        {"description": ""},
        {"metadata": {}},
        {"metadata": {"order_id": 12345}},
        {"metadata": {"order_id": "12345", "more": None}},
        {"metadata": {"Order_id": "12345"}},
        {"metadata": "order_id=12345"},
    ],
)
def test_each_field_makes_a_difference(other: dict[str, Any]) -> None:
    assert not equal(OURS, OURS | other)


def test_characters_are_compared_not_how_they_look() -> None:
    assert not equal(OURS | {"description": "\u00e9"}, OURS | {"description": "e\u0301"})


@pytest.mark.parametrize(
    "extra",
    [
        {"timestamp": "2026-01-01T00:00:00.000Z"},
        {"submittedAt": "2026-01-01T00:00:00.000Z", "createdAt": None},
        {"id": "another"},
        {"status": "ok", "_links": {"self": "/x"}},
    ],
)
def test_timestamps_and_unknown_fields_do_not_count(extra: dict[str, Any]) -> None:
    assert equal(OURS, OURS | extra)


# --- ids

UUID = "6f1c52b8-7d0e-5b8e-9d3a-3f0a6c0b7e11"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("order-77", "order-77"),
        (UUID, UUID),
        (UUID, UUID.upper()),
        (UUID.upper(), UUID),
        (UUID, UUID.replace("f", "F")),
    ],
)
def test_an_id_is_ours_if_it_is_the_same_text_or_the_same_uuid(ours: str, theirs: str) -> None:
    assert same_id(ours, theirs)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("order-77", "ORDER-77"),
        ("77", 77),
        ("77", Decimal(77)),
        ("77", "77 "),
        ("77", " 77"),
        ("77", "77\n"),
        ("77", "077"),
        ("77", ["77"]),
        ("77", {"id": "77"}),
        ("77", None),
        ("true", True),
        ("k", "\u212a"),  # lower() makes them equal
        (UUID, UUID.replace("-", "")),
        (UUID, f"{{{UUID}}}"),
        (UUID, f"urn:uuid:{UUID}"),
        (UUID, f"{UUID}\n"),
        (UUID, uuid.UUID(UUID)),
        (f"order-{UUID}", f"order-{UUID}".upper()),
        (UUID.replace("-", ""), UUID.replace("-", "").upper()),
    ],
)
def test_another_id_is_somebody_elses(ours: str, theirs: object) -> None:
    assert not same_id(ours, theirs)


# --- metadata


@pytest.mark.parametrize(
    "raw", ['{"order_id":"12345"}', ' { "order_id" : "12345" } ', '{"order_id":"\\u0031\\u0032345"}']
)
def test_metadata_may_come_back_as_a_json_string(raw: str) -> None:
    assert equal(OURS, OURS | {"metadata": raw})


def test_numbers_in_metadata_that_come_back_as_a_json_string_are_compared_exactly() -> None:
    assert equal(metadata('{"a":0.1234567890123456789}'), OURS | {"metadata": '{"a":0.12345678901234567890}'})
    assert not equal(metadata('{"a":0.1234567890123456789}'), OURS | {"metadata": '{"a":0.1234567890123456788}'})


@pytest.mark.parametrize("empty", [{}, None, "{}", "null", " {} ", ""])
def test_no_metadata_in_whatever_form_are_the_same(empty: Any) -> None:
    without = {name: value for name, value in OURS.items() if name != "metadata"}
    assert equal(without, without | {"metadata": empty})


@pytest.mark.parametrize(
    "text", ["x", "{", '{"order_id":"12345"', '{"order_id":"12345"} x', "\ud800", "NaN", "[" * 30_000]
)
def test_a_string_that_is_no_json_is_another_content_and_no_fault_of_ours(text: str) -> None:
    assert differing(OURS, OURS | {"metadata": text})


def test_the_order_of_keys_does_not_count_and_the_order_of_lists_does() -> None:
    assert equal(metadata('{"a":1,"b":{"c":2,"d":3}}'), metadata('{"b":{"d":3,"c":2},"a":1}'))
    assert not equal(metadata('{"a":[1,2]}'), metadata('{"a":[2,1]}'))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", '"1"'),
        ("1", "true"),
        ("0", "false"),
        ("0", "null"),
        ("0", '""'),
        ("null", '"null"'),
        ("null", "{}"),
        ("{}", '"{}"'),
        ("[]", "{}"),
        ("[]", "null"),
        ("[1]", "1"),
        ("1", "-1"),
        ('""', "null"),
        ("1", '{"\\u0000number":"1e0"}'),
        ("1", '["\\u0000number","1e0"]'),
        ('"1e0"', "1"),
    ],
)
def test_values_of_different_types_are_different(one: str, other: str) -> None:
    assert not equal(metadata(f'{{"a":{one}}}'), metadata(f'{{"a":{other}}}'))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1", "1.0", True),
        ("1.10", "1.1", True),
        ("1E5", "100000", True),
        ("0", "-0", True),
        ("0.0", "0E+5", True),
        ("-1.50", "-15e-1", True),
        ("1" + "0" * 30, "1e30", True),
        ("0.1234567890123456789012345678901", "0.1234567890123456789012345678902", False),
        ("123456789012345678901234567890123", "123456789012345678901234567890124", False),
        ("1.0000000000000000000000000000000000001", "1", False),
        ("9007199254740993", "9007199254740992", False),
        ("1e400", "1e401", False),
        ("1e-400", "0", False),
        ("10", "1", False),
    ],
)
def test_numbers_are_compared_by_every_digit(one: str, other: str, same: bool) -> None:
    assert equal(metadata(f'{{"a":{one}}}'), metadata(f'{{"a":{other}}}')) is same


NUMBERS = st.integers() | st.decimals(allow_nan=False, allow_infinity=False)


@given(NUMBERS, NUMBERS)
@examples(max_examples=300, deadline=None)
def test_two_numbers_are_the_same_content_exactly_if_they_are_equal(one: Decimal | int, other: Decimal | int) -> None:
    assert equal(OURS | {"metadata": {"a": one}}, OURS | {"metadata": {"a": other}}) == (Decimal(one) == Decimal(other))


@given(NUMBERS, st.integers(0, 50))
@examples(max_examples=200, deadline=None)
def test_trailing_zeros_never_count(number: Decimal | int, zeros: int) -> None:
    sign, digits, exponent = Decimal(number).as_tuple()
    padded = Decimal((sign, digits + (0,) * zeros, int(exponent) - zeros))
    assert equal(OURS | {"metadata": {"a": number}}, OURS | {"metadata": {"a": padded}})


LEAVES = st.none() | st.booleans() | NUMBERS | st.text()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=6
)


@given(VALUES)
@examples(max_examples=300, deadline=None)
def test_a_content_survives_the_wire_in_both_forms(value: Any) -> None:
    ours = OURS | {"metadata": {"a": value}}
    assert equal(ours, loads(dumps(ours)))
    assert equal(ours, ours | {"metadata": dumps(ours["metadata"]).decode()})


@given(st.dictionaries(st.sampled_from([*OURS, "id"]), VALUES | st.text(st.characters())))
@examples(max_examples=300, deadline=None)
def test_whatever_the_posting_service_says_is_compared_and_never_raises(theirs: dict[str, Any]) -> None:
    assert isinstance(differing(OURS, theirs), tuple)


# --- loads and dumps


@pytest.mark.parametrize("raw", ["1.10", "1E+5", "0.1234567890123456789", "-0.00", "1E-7"])
def test_numbers_with_a_point_or_an_exponent_become_decimals_and_are_written_digit_by_digit(raw: str) -> None:
    value = loads(raw.encode())
    assert isinstance(value, Decimal)
    assert dumps(value) == raw.encode()


@pytest.mark.parametrize("raw", [b"NaN", b"Infinity", b'{"a":1,"a":1}', b'"\\ud800"', b"", b"[1,]", b"{} x"])
def test_what_is_no_json_is_a_value_error(raw: bytes) -> None:
    with pytest.raises(ValueError, match="line 1"):
        loads(raw)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), "\ud800", 10**5_000], ids=["nan", "inf", "surrogate", "big"]
)
def test_what_json_cannot_hold_is_not_written(value: Any) -> None:
    with pytest.raises(ValueError, match=r"JSON|utf-8|4300"):
        dumps(value)


def test_json_is_compact_in_the_order_given_and_not_escaped() -> None:
    assert dumps({"b": "é", "a": [1, None, True]}) == '{"b":"é","a":[1,null,true]}'.encode()
    assert json.loads(dumps({"a": "\u2028<b>\x7f\x00"})) == {"a": "\u2028<b>\x7f\x00"}
