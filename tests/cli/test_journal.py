from tests.cli.terminal import Commands
from tests.parts import Parts
from txn.model.dead_letter import Action, Filter


def test_without_any_it_says_so(txn: Commands) -> None:
    done = txn("journal")
    assert (done.code, done.out) == (0, "Nothing was done yet.\n")


def test_what_was_done_is_listed_the_newest_first(txn: Commands, parts: Parts) -> None:
    parts.replay(parts.fail("a"), "ann", "their limit")
    parts.fail("b")
    parts.start_run("one", Action.DISCARD, Filter(), "bob", "old")
    done = txn("journal", columns=200)
    assert done.code == 0
    newest, oldest = done.out.splitlines()
    assert "bob: discard all 1  run one  why: old" in newest
    assert "ann: replay 1  a  why: their limit" in oldest
    [newest, _] = txn("journal", "--json").json["entries"]
    assert (newest["filter"], newest["confirmed"], newest["count"]) == ({}, 1, 1)
    assert len(txn("journal", "--limit", "1", columns=200).out.splitlines()) == 1
    [_, entry] = txn("journal", "--json").json["entries"]
    at = entry.pop("at")
    assert at.endswith("Z")
    assert entry == {"by": "ann", "what": "replay", "count": 1, "why": "their limit", "ids": ["a"]} | dict.fromkeys(
        ("run", "filter", "confirmed")
    )
