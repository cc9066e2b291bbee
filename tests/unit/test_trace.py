import re

import pytest

from txn.model.trace import checked, next_hop, trace_id

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
GIVEN = f"00-{TRACE}-00f067aa0ba902b7-01"


def test_the_w3c_form_is_taken_as_it_is() -> None:
    assert checked(GIVEN) == GIVEN
    assert trace_id(GIVEN) == TRACE


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "",
        GIVEN.upper(),
        f"01{GIVEN[2:]}",
        f"ff{GIVEN[2:]}",
        f"{GIVEN}-more",
        f"{GIVEN}\n",
        f" {GIVEN}",
        f"{GIVEN}, {GIVEN}",
        GIVEN[:-1],
        GIVEN.replace("-", "_"),
        GIVEN.replace(TRACE, "0" * 32),
        GIVEN.replace("00f067aa0ba902b7", "0" * 16),
        GIVEN.replace("4", "\u0664"),
    ],
)
def test_anything_else_is_no_trace(wrong: str | None) -> None:
    assert checked(wrong) == ""
    assert trace_id(wrong or "") == ""


@pytest.mark.parametrize(("flags", "passed_on"), [("00", "00"), ("01", "01"), ("03", "03"), ("fd", "01")])
def test_a_call_is_of_the_same_trace_and_a_span_of_its_own(flags: str, passed_on: str) -> None:
    given = GIVEN[:-2] + flags
    first, second = next_hop(given), next_hop(given)
    assert checked(first) == first
    assert re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-{passed_on}", first)
    assert len({given[36:52], first[36:52], second[36:52]}) == 3
