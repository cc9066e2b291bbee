import pytest

from tests.cli.terminal import Commands
from tests.parts import BODY, Parts
from txn.model.transaction import ErrorCode


def ids(txn: Commands, *options: str) -> list[str]:
    return [letter["id"] for letter in txn("failed", "--json", *options).json["letters"]]


def test_without_any_it_says_so(txn: Commands) -> None:
    done = txn("failed")
    assert (done.code, done.out) == (0, "No failed transaction.\n")


def test_they_are_listed_the_newest_first_and_counted(txn: Commands, parts: Parts) -> None:
    for name in ("first", "second"):
        parts.fail(name, detail=f"POST: answered 400, {name}")
        parts.client.zincrby(parts.keys.failed, 0 if name == "second" else -60_000, name)
    done = txn("failed")
    assert done.code == 0
    assert done.out.index("second") < done.out.index("first")
    assert "POST: answered 400, first" in done.out
    assert done.out.endswith("2 failed\n")
    assert txn("failed", "--limit", "1").out.endswith("1 of 2 failed; --limit shows more\n")


def test_every_option_chooses(txn: Commands, parts: Parts) -> None:
    parts.fail("rejected", detail="limit reached")
    parts.fail("conflict", code=ErrorCode.CONFLICT)
    parts.fail("euro", body=BODY.replace(b"USD", b"EUR"))
    old = parts.fail("old")
    for index in (parts.keys.failed, f"{parts.keys.failed}:rejected"):
        parts.client.zincrby(index, -3 * 3_600_000, old)
    assert set(ids(txn)) == {"rejected", "conflict", "euro", "old"}
    assert ids(txn, "--code", "conflict") == ["conflict"]
    assert ids(txn, "--text", "LIMIT") == ["rejected"]
    assert ids(txn, "--currency", "eur") == ["euro"]
    assert set(ids(txn, "--since", "2h")) == {"rejected", "conflict", "euro"}
    assert ids(txn, "--until", "2h") == ["old"]
    assert set(ids(txn, "--since", "2020-01-01T00:00Z")) == {"rejected", "conflict", "euro", "old"}


def test_json_has_all_of_a_letter(txn: Commands, parts: Parts) -> None:
    parts.fail("a", detail="POST: answered 400", history='{"attempt":1,"outcome":"rejected","http":400}')
    found = txn("failed", "--json").json
    assert (found["matching"], found["exact"]) == (1, True)
    [letter] = found["letters"]
    times = letter.pop("failedAt"), letter.pop("submittedAt")
    assert all(time.endswith("Z") for time in times)
    assert letter == {
        "id": "a",
        "code": "rejected",
        "detail": "POST: answered 400",
        "attempts": 1,
        "http": 400,
        "amount": "100.50",
        "discardedAt": None,
        "currency": "USD",
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--code", "nonsense"), "there is no error code 'nonsense': give one of rejected"),
        (("--since", "tomorow"), "--since tomorow: give a time ago (30m, 1h30m, 2d)"),
        (("--until", "tomorrow"), "--until tomorrow: give a time ago"),
        (("--currency", "EURO"), "--currency: a currency has three letters"),
    ],
)
def test_an_option_that_makes_no_sense_is_named(txn: Commands, options: tuple[str, str], said: str) -> None:
    done = txn("failed", *options)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
