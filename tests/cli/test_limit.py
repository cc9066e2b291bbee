import pytest

from tests.cli.terminal import Commands
from tests.parts import Parts


def test_limits_are_set_shown_changed_and_taken_away(txn: Commands, parts: Parts) -> None:
    assert txn("limit").out == "Nothing is limited.\n"
    done = txn("limit", "--in-flight", "50", "--rate", "200/s", "--why", "their night batch", "--as", "ann")
    first, second, third = done.out.splitlines()
    assert (done.code, first) == (0, "Changed.")
    assert second == "At most 50 in flight (0 in use), 200/s."
    assert (third.startswith("by ann since "), third.endswith(" UTC: their night batch")) == (True, True)
    assert (
        txn("limit", "--rate", "90/min", "--as", "bob").out.splitlines()[1]
        == "At most 50 in flight (0 in use), 90/min."
    )
    assert txn("limit", "--in-flight", "50").out.splitlines()[0] == "That is what it was."
    assert txn("status", "--json").json["limits"] == "50 in flight (0 in use), 90/min"
    assert "50 in flight" in txn("status").out
    assert txn("limit", "--none").out == "Changed.\nNothing is limited.\n"
    assert parts.read_statistics().flow.limits is None


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--in-flight", "0"), "in-flight"),
        (("--rate", "fast"), "rate"),
        (("--none", "--rate", "5/s"), "--none"),
        (("--rate", "5/s", "--why", "w" * 301), "why"),
    ],
)
def test_what_is_no_limit_is_refused(txn: Commands, parts: Parts, arguments: tuple[str, ...], named: str) -> None:
    done = txn("limit", *arguments)
    assert (done.code, done.out) == (2, "")
    assert named in done.err
    assert parts.read_statistics().flow.limits is None
