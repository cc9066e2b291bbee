import json
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from txn.model.unheld import Unheld
from txn.posting.rows import MAX_ROW_BYTES, NoRows, NotRows, Splitter, parse

TRICKY: list[dict[str, Any]] = [
    {},
    {"a": 'quote " bracket ] } [ { backslash \\ and " again'},
    {"a": "\\", "b": '\\"', "c": "\\\\"},
    {"a": [[], {}, [{"b": "]}"}], "é\u2028😀"]},
    {"a": "x" * 1_000, "b": {"c": {"d": {}}}},
]


def split(text: bytes, size: int) -> list[bytes]:
    splitter, rows = Splitter(), []
    for begin in range(0, len(text), size):
        rows += splitter.feed(text[begin : begin + size])
    splitter.end()
    return rows


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 100_000])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("escaped", [True, False])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf", b"\xef\xbb\xbf \n"])
def test_wherever_chunks_end_the_rows_are_the_same(size: int, indent: int | None, escaped: bool, bom: bytes) -> None:
    text = bom + json.dumps(TRICKY * 3, indent=indent, ensure_ascii=escaped).encode() + b" \r\n"
    assert [parse(row, 1) for row in split(text, size)] == TRICKY * 3


LEAVES = st.none() | st.booleans() | st.integers() | st.text(alphabet=st.sampled_from('ab"\\\\[]{},: é'), max_size=8)
NAMES = st.text(max_size=3)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))


@given(rows=st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=5), size=st.integers(1, 40))
@examples(max_examples=300, deadline=None)
def test_no_row_is_cut_in_another_place_than_json_ends_it(rows: list[dict[str, Any]], size: int) -> None:
    assert [
        json.loads(row) for row in split(json.dumps(rows, ensure_ascii=False).encode("utf-8", "replace"), size)
    ] == rows


@given(text=st.text(alphabet=st.sampled_from('[]{}",:\\\\ 1a'), max_size=30), size=st.integers(1, 8))
@examples(max_examples=500, deadline=None)
def test_no_text_is_taken_for_a_list_that_json_does_not_take_for_one(text: str, size: int) -> None:
    try:
        found = [parse(row, 1) for row in split(f"[{text}]".encode(), size)]
    except NotRows:
        return
    assert found == json.loads(f"[{text}]")


@pytest.mark.parametrize("text", [b"[]", b" [ ] ", b"\n[\n]\n"])
@pytest.mark.parametrize("size", [1, 100])
def test_an_empty_list_has_no_rows(text: bytes, size: int) -> None:
    assert split(text, size) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        *((text, "is not a list") for text in (b"null", b"1", b"<html>", b"\xff\xfe[\0]\0")),
        *(
            (text, "other than transactions")
            for text in (b"[1]", b"[{},]", b"[,{}]", b"[{}{}]", b'["a"]', b"[[{}]]", b"[{};{}]")
        ),
        *(
            (text, "to the end")
            for text in (b"", b"  ", b"[", b"[{}", b"[{},", b'[{"a":"', b'[{"a":"\\', b'[{"a":[}', b"\xef\xbb")
        ),
        *(
            (text, "not JSON")
            for text in (b'{"a":[{}]', b'{"a":[{}]}x', b'{"a":[{}],}', b'{"a":[{}],"a":1}', b"{a:[{}]}", b'{"a":[]]}')
        ),
        *((text, "after its end") for text in (b"[]]", b"[{}] []", b"[{}]x", b"[],")),
    ],
)
@pytest.mark.parametrize("size", [1, 100])
def test_what_is_no_whole_array_of_objects_is_refused(text: bytes, said: str, size: int) -> None:
    with pytest.raises(NotRows, match=said):
        split(text, size)


AROUND = [
    ('{"data":%s}', "data"),
    ('{"status": "ok", "message": "[ ] { } \\" [", "data" : %s , "next": null}\n', "data"),
    ('\n{"data":{"total":15,"items":%s}}', "items"),
    ('{"meta":{"a":{"b":{}}},"\u00e9\\"[":\n%s,"more":false}', None),
    ('\ufeff{"transactions":%s}', "transactions"),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 100_000])
@pytest.mark.parametrize(("around", "name"), AROUND)
def test_the_rows_may_be_in_an_object(around: str, name: str | None, size: int) -> None:
    text = (around % json.dumps(TRICKY * 3)).encode()
    splitter, rows = Splitter(), []
    for begin in range(0, len(text), size):
        rows += splitter.feed(text[begin : begin + size])
    assert splitter.end() == json.loads((around % "[]").lstrip("\ufeff"))
    assert [parse(row, 1) for row in rows] == TRICKY * 3
    assert splitter.name is not None if name is None else splitter.name == name


@given(before=VALUES, rows=st.lists(st.dictionaries(NAMES, VALUES, max_size=3), max_size=4), size=st.integers(1, 40))
@examples(max_examples=200, deadline=None)
def test_of_any_object_the_only_array_is_found(before: Any, rows: list[dict[str, Any]], size: int) -> None:
    def arrays(value: Any) -> int:
        return isinstance(value, list) or (sum(map(arrays, value.values())) if isinstance(value, dict) else 0)

    text = json.dumps({"before": before, "rows": rows, "after": before}, ensure_ascii=False).encode("utf-8", "replace")
    try:
        found = [json.loads(row) for row in split(text, size)]
    except NotRows:
        assert arrays(before)
    else:
        assert (found, arrays(before)) == (rows, 0)


@pytest.mark.parametrize(
    "text",
    [
        *(b"{}", b'{"a":1}', b'{"error":"[not] found","code":{"a":{}}}', b"{]"),
        *(b'{"a":[],"b":[]}', b'{"a":[{"x":1}],"b":[1]}', b'{"a":[{}],"b":{"c":[]}}', b'{"a":{"b":[]},"c":[]}'),
        *(b'{"a":[1]}', b'{"a":["x"]}', b'{"a":[null]}', b'{"a":[[{}]]}', b'{"id":"a","metadata":{"tags":["x"]}}'),
    ],
)
@pytest.mark.parametrize("size", [1, 100])
def test_an_object_without_exactly_one_array_of_objects_has_no_rows(text: bytes, size: int) -> None:
    with pytest.raises(NoRows):
        split(text, size)


def test_an_object_whose_array_does_not_come_is_not_collected_for_ever() -> None:
    splitter = Splitter()
    splitter.feed(b"{")
    feeds = (splitter.feed(b'"a":{"b":1},' * 5_000) for _ in range(2_000))
    with pytest.raises(NoRows, match="at its beginning"):
        list(feeds)


def test_what_follows_the_array_is_not_collected_for_ever() -> None:
    splitter = Splitter()
    assert splitter.feed(b'{"data":[{}],"a":"') == [b"{}"]
    feeds = (splitter.feed(b"x" * 60_000) for _ in range(2_000))
    with pytest.raises(NotRows, match="more than 8 MiB"):
        list(feeds)


@pytest.mark.parametrize(
    "row", [b'{"a"}', b'{"a":01}', b'{"a":"\xff"}', b"{]", b'{"a":tru}', b'{"a":"\n"}', b'{"a":1]', b"{'a':1}"]
)
def test_a_row_that_is_no_json_is_named_by_its_number(row: bytes) -> None:
    with pytest.raises(NotRows, match="in row 7"):
        parse(row, 7)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_100000_brackets_are_refused_and_not_followed(opening: bytes) -> None:
    closing = b"]" if opening == b"[" else b"}"
    text = b'[{"a":' + opening * 100_000 + b"1" + closing * 100_000 + b"}]"
    began = time.thread_time()
    [row] = split(text, 65_536)
    with pytest.raises(NotRows, match="in row 1"):
        parse(row, 1)
    assert time.thread_time() - began < 5


@pytest.mark.parametrize(
    "number",
    [
        b"1" * 5_000,
        b"-" + b"9" * 1_000_000,
        b"1e99999999999999999999",
        b"-1E+99999999999999999999",
        b"NaN",
        b"-Infinity",
    ],
    ids=lambda number: repr(number)[:20],
)
def test_a_number_that_cannot_be_held_leaves_the_rest_of_its_row(number: bytes) -> None:
    row = parse(b'{"id": "a", "x": %s, "y": 1.10, "z": [7, %s]}' % (number, number), 1)
    assert isinstance(row["x"], Unheld)
    assert row["x"] != row["z"][1]
    assert (row["id"], row["y"], row["z"][0]) == ("a", Decimal("1.10"), 7)


@pytest.mark.parametrize(
    "number", [b"1" * 4_000, b"1e999999", b"0.1" + b"0" * 100_000], ids=lambda number: repr(number)[:20]
)
def test_numbers_that_can_be_held_are_exact(number: bytes) -> None:
    assert str(parse(b'{"x": %s}' % number, 1)["x"]).replace("E+", "e") == number.decode()


def test_of_equal_keys_the_last_counts() -> None:
    assert parse(b'{"id": "a", "id": "b"}', 1) == {"id": "b"}


def test_a_row_of_megabytes_is_a_row() -> None:
    text = b'[{"a":"' + b"x" * (MAX_ROW_BYTES - 100) + b'"},{}]'
    assert [len(row) for row in split(text, 1_000_000)] == [MAX_ROW_BYTES - 92, 2]


@pytest.mark.parametrize("filler", [b"x", b"\\n", b'","', b"[", b"1,"])
def test_a_row_without_an_end_is_not_collected_for_ever(filler: bytes) -> None:
    splitter = Splitter()
    splitter.feed(b'[{"a":"' if filler in (b"x", b"\\n", b'","') else b'[{"a":[')
    feeds = (splitter.feed(filler * 300_000) for _ in range(200))
    with pytest.raises(NotRows, match="more than 8 MiB"):
        list(feeds)


def test_white_space_without_an_end_takes_no_memory() -> None:
    splitter = Splitter()
    for text in (b" " * 1_000, b"[" + b" " * 1_000, b"{}", b"\n" * 1_000, b",", b"\t" * 1_000):
        assert len(splitter.feed(text)) == (text == b"{}")
        assert len(splitter._text) <= 1
    assert splitter.feed(b"{}]") == [b"{}"]
