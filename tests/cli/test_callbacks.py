from tests.callbacks.rig import ended
from tests.callbacks.test_letters import given_up
from tests.cli.terminal import Commands
from tests.parts import Parts
from txn.signatures import secret_bytes


def test_without_any_it_says_so(txn: Commands) -> None:
    assert (txn("callbacks").code, txn("callbacks").out) == (0, "0 wait, 0 were given up.\n")


def test_those_that_were_given_up_are_listed_with_why(txn: Commands, parts: Parts) -> None:
    [name] = given_up(parts, "a")
    ended(parts, "b", callback="https://hooks.example/x?token=secret")
    done = txn("callbacks", columns=300)
    line, waits, total = done.out.splitlines()
    assert f"{name}  transaction.completed  a  to the client default  1 tries: answered with 410" in line
    assert waits == "1 wait for hooks.example"
    assert total == "1 wait, 1 were given up."
    found = txn("callbacks", "--json").json
    assert (found["waiting"], found["dead"], found["waitingFor"]) == (1, 1, {"hooks.example": 1})
    assert [one["name"] for one in found["callbacks"]] == [name]


def test_one_is_shown_with_what_it_tells_and_without_secrets(txn: Commands, parts: Parts) -> None:
    ended(parts, "b", callback="https://hooks.example/x?token=secret")
    [name] = [key.decode() for key in parts.client.zrange(parts.keys.callbacks_to("hooks.example"), 0, -1)]
    done = txn("callbacks", "show", name)
    assert done.json["data"] == parts.store.read("b").to_json()
    assert "secret" not in done.out
    assert txn("callbacks", "show", "nobody").code == 1


def test_some_are_replayed_and_others_discarded(txn: Commands, parts: Parts) -> None:
    first, second = given_up(parts, "a", "b")
    done = txn("callbacks", "replay", first, "--why", "well again", "--yes", "--as", "ann")
    assert (done.code, done.out) == (0, "1 replayed.\n")
    again = txn("callbacks", "replay", first, "nobody", "--yes", columns=200)
    assert again.code == 1
    assert "not given up, skipped" in again.out
    assert "no callback has this name" in again.out
    assert txn("callbacks", "discard", second, "--why", "gone", "--yes", "--json").json["discarded"] == [second]
    assert [entry.what for entry in parts.journal.read()] == ["discard callbacks", "replay callbacks"]


def test_all_are_replayed(txn: Commands, parts: Parts) -> None:
    given_up(parts, *"abc")
    assert txn("callbacks", "replay", "--all", "--yes", "--json").json == {"replayed": 3}
    assert parts.read_statistics().totals.callbacks_waiting == 3
    assert txn("callbacks", "discard", "--all", "--why", "x", "--yes").out == "None were given up: nothing to do.\n"


def test_what_is_missing_is_said(txn: Commands, parts: Parts) -> None:
    assert "give names, or --all" in txn("callbacks", "replay").err
    assert "give names, or --all" in txn("callbacks", "replay", "a", "--all").err
    assert txn("callbacks", "discard", "a").code == 2
    given_up(parts, "a")
    assert "give --yes" in txn("callbacks", "replay", "--all").err


def test_a_secret_is_made(txn: Commands) -> None:
    assert len(secret_bytes(txn("callbacks", "secret").out.strip())) == 32


def test_status_says_that_some_were_given_up(txn: Commands, parts: Parts) -> None:
    given_up(parts, "a")
    assert "1 callback was given up" in txn("status", columns=200).out
