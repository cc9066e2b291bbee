from tests.cli.terminal import Commands
from tests.parts import Parts
from txn.operate.events import Events


def test_without_any_it_says_so(txn: Commands) -> None:
    done = txn("events")
    assert (done.code, done.out) == (0, "Nothing has happened.\n")


def test_a_night_is_read_in_its_order(txn: Commands, parts: Parts) -> None:
    events, now_ms = Events(parts.database), parts.read_statistics().now_ms
    events.notice("posting", "away", now_ms - 60_000, now_ms - 59_000, "connection refused")
    events.notice("posting", "answering", now_ms, now_ms)
    began, ended = txn("events", columns=200).out.splitlines()
    assert began.endswith("UTC  The posting service does not answer: connection refused")
    assert ended.endswith("UTC  The posting service answers again, after 60 s")
    found = txn("events", "--json").json["events"]
    assert [event["level"] for event in found] == ["bad", "good"]
    assert found[1]["lastedSeconds"] == 60
    assert txn("events", "--limit", "1", columns=200).out.splitlines() == [ended]
    assert txn("events", "--since", "1h", columns=200).out.splitlines() == [began, ended]
    assert txn("events", "--since", "2999-01-01", columns=200).out == "Nothing has happened.\n"


def test_status_tells_what_happened_last(txn: Commands, parts: Parts) -> None:
    now_ms = parts.read_statistics().now_ms
    Events(parts.database).notice("posting", "away", now_ms, now_ms, "connection refused")
    assert "The posting service does not answer: connection refused" in txn("status", columns=120).out
