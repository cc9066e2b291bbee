from tests.cli.terminal import Commands
from tests.parts import Parts
from txn.model.dead_letter import Action, Filter


def test_without_any_it_says_so(txn: Commands) -> None:
    done = txn("runs")
    assert (done.code, done.out) == (0, "There was no bulk run yet.\n")


def test_they_are_listed_with_how_far_they_are(txn: Commands, parts: Parts) -> None:
    parts.fail("a")
    parts.start_run("one", Action.REPLAY, Filter(code="rejected"), "ann", "their limit")
    found = txn("runs").out
    for said in ("one", "running", "replay: code rejected", "0 replayed of 1 confirmed", "by ann", "their limit"):
        assert said in found
    [run] = txn("runs", "--json").json["runs"]
    assert {name: run[name] for name in ("run", "what", "state", "filter", "by", "done", "total")} == {
        "run": "one",
        "what": "replay",
        "state": "running",
        "filter": {"code": "rejected"},
        "by": "ann",
        "done": 0,
        "total": 1,
    }


def test_a_run_is_stopped_by_its_id(txn: Commands, parts: Parts) -> None:
    parts.fail("a")
    parts.start_run("one", Action.DISCARD, Filter(), "ann", "old")
    done = txn("run", "stop", "one", "--as", "bob")
    assert (done.code, done.out) == (0, "Stopped: 0 discarded before that.\n")
    assert parts.runs.read("one").stopped_by == "bob"
    done = txn("run", "stop", "one")
    assert (done.code, done.out) == (1, "It was over already (stopped): 0 discarded.\n")


def test_a_run_that_is_not_known_is_named(txn: Commands) -> None:
    done = txn("run", "stop", "nonsense")
    assert (done.code, done.out) == (1, "")
    assert done.err == "txn run: there is no bulk run 'nonsense': txn runs lists them\n"
