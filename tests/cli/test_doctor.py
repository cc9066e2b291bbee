import re
import socket

import pytest

from ops.mock_posting.client import MockPosting
from ops.redis_server import RedisServer
from tests.cli.doctor_rig import alive, found
from tests.cli.terminal import Commands
from tests.parts import Parts


@pytest.fixture
def txn(txn: Commands, mock: MockPosting) -> Commands:
    txn.environment |= {"TXN_POSTING_URL": mock.url}
    return txn


def test_with_everything_as_it_must_be_nothing_is_wrong(txn: Commands, parts: Parts, mock: MockPosting) -> None:
    alive(parts)
    done = txn("doctor")
    assert done.code == 0, done.out
    assert "Nothing wrong, no warnings." in done.out
    assert mock.stats()["posts"] == 0
    checks = {one["check"]: one["level"] for one in txn("doctor", "--json").json["findings"]}
    assert {name for name, level in checks.items() if level == "ok"} >= {
        "redis version",
        "redis durability",
        "redis speed",
        "redis rights",
        "clocks",
        "posting GET",
        "posting speed",
        "posting cache",
        "posting list",
        "workers",
        "queue",
    }


def test_a_setting_that_is_wrong_ends_it_before_it_looks(txn: Commands) -> None:
    done = txn("doctor", TXN_LEASE_MS="1")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("txn doctor: TXN_LEASE_MS=1 is too short")


def test_without_redis_the_rest_is_still_looked_at(txn: Commands) -> None:
    done = txn("doctor", "--json", TXN_REDIS_URL="redis://ann:s3cret@127.0.0.1:1/0")
    assert done.code == 1
    [one] = [one for one in done.json["findings"] if one["check"] == "redis"]
    assert one["found"].startswith("Redis cannot be reached: nothing listens there")
    assert found(done, "posting GET")["level"] == "ok"
    assert "s3cret" not in done.out


def test_wrong_credentials_are_said_as_such(txn: Commands, valkey: RedisServer) -> None:
    done = txn("doctor", "--json", TXN_REDIS_URL=valkey.url.replace("://", "://nobody:s3cret@"))
    assert (done.code, found(done, "redis")["level"]) == (1, "bad")
    assert "credentials" in found(done, "redis")["found"]
    assert "s3cret" not in done.out


def test_without_workers_it_says_how_to_start_one(txn: Commands) -> None:
    done = txn("doctor", "--json")
    assert done.code == 1
    assert found(done, "workers") == {
        "check": "workers",
        "level": "bad",
        "found": "none is alive",
        "do": "start one: dramatiq txn.worker --processes 2 --threads 4",
    }


def test_too_few_threads_for_the_rate_are_a_warning(txn: Commands, parts: Parts, mock: MockPosting) -> None:
    alive(parts)
    mock.faults(latency_ms=200)
    minute = parts.read_statistics().now_ms // 60_000
    parts.client.hset(f"{parts.keys.minute}{minute}", "accepted", 30_000)
    done = txn("doctor", "--json")
    warning = found(done, "workers")
    assert (done.code, warning["level"]) == (0, "warn")
    assert "start more" in warning["do"]


@pytest.mark.parametrize(("minutes_ago", "level"), [(0, "warn"), (60, "ok")])
def test_hangs_of_an_hour_ago_are_none_of_now(txn: Commands, parts: Parts, minutes_ago: int, level: str) -> None:
    alive(parts)
    minute = parts.read_statistics().now_ms // 60_000
    parts.client.hset(f"{parts.keys.minute}{minute}", "accepted", 3_000)
    parts.clock.forward(-minutes_ago * 60_000)
    for _ in range(100):
        parts.timings.note("post:none", 5.01)
    parts.timings.flush()
    assert found(txn("doctor", "--json"), "workers")["level"] == level


@pytest.mark.parametrize(("ahead_ms", "level"), [(900, "ok"), (5_000, "warn"), (-5_000, "warn")])
def test_a_workers_clock_that_nobody_keeps_is_a_warning(txn: Commands, parts: Parts, ahead_ms: int, level: str) -> None:
    alive(parts, ahead_ms)
    one = found(txn("doctor", "--json"), "clocks")
    assert one["level"] == level
    if level == "warn":
        # What a busy machine sends late seems to be behind.
        apart = "[2-5][0-9]{3} ms ahead of" if ahead_ms > 0 else "[4-9][0-9]{3} ms behind"
        assert re.fullmatch(f"that of h1, with workers, is {apart} Redis's", one["found"])


def test_settings_worth_a_word_get_one(txn: Commands) -> None:
    risky = {"TXN_ALLOW_CLEANUP": "1", "TXN_ALLOW_LOSSY_REDIS": "1", "TXN_ANSWER_IS_FINAL": "1"}
    done = txn("doctor", "--json", **risky, TXN_VERIFY="after-doubt")
    said = [one["found"] for one in done.json["findings"] if one["check"] == "settings"]
    for name in (*risky, "TXN_VERIFY", "TXN_METRICS_TOKEN"):
        assert any(name in text for text in said)


def test_what_is_no_setting_is_named_and_not_shown(txn: Commands) -> None:
    done = txn("doctor", "--json", TXN_REGION="s3cret")
    [one] = [one for one in done.json["findings"] if "TXN_REGION" in one["found"]]
    assert (one["check"], one["level"]) == ("settings", "note")
    assert "s3cret" not in done.out


def test_a_name_without_the_prefix_is_a_warning(txn: Commands) -> None:
    done = txn("doctor", "--json", POSTING_SERVICE_URL="http://s3cret", MAX_RETRIES="3")
    warned = [one["found"] for one in done.json["findings"] if "not read" in one["found"]]
    assert [text.split()[0] for text in warned] == ["MAX_RETRIES"]  # TXN_POSTING_URL is set
    assert "s3cret" not in done.out


@pytest.mark.parametrize("secret", ["", "0123456789abcdef"])
def test_an_admin_site_without_a_secret_of_its_own_is_a_warning(txn: Commands, secret: str) -> None:
    settings = {"TXN_ADMIN_SECRET": secret} if secret else {}
    done = txn("doctor", "--json", TXN_ADMIN_USERS="ann:view:h4sh", **settings)
    warned = [one for one in done.json["findings"] if one["level"] == "warn" and "TXN_ADMIN_SECRET" in one["found"]]
    assert len(warned) == (0 if secret else 1)
    assert "h4sh" not in done.out


def test_a_redis_that_says_nothing_is_waited_for_once(txn: Commands) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = txn("doctor", "--json", TXN_REDIS_URL=f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        silent.accept()[0].close()
        silent.settimeout(0)
        with pytest.raises(BlockingIOError):  # nobody has come a second time
            silent.accept()
    assert found(done, "redis")["found"] == "Redis did not answer in time"


def test_late_transactions_are_wrong(txn: Commands, parts: Parts) -> None:
    alive(parts)
    parts.clock.forward(-61_000)
    parts.accept()
    parts.clock.forward(61_000)
    done = txn("doctor", "--json")
    assert (done.code, found(done, "queue")["level"]) == (1, "bad")
    assert "due for 6" in found(done, "queue")["found"]


def test_ctrl_c_ends_it_without_a_traceback(txn: Commands) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with txn.at_terminal("doctor", TXN_POSTING_URL=url, TXN_POSTING_TIMEOUT_MS="2000", COLUMNS="80") as terminal:
            terminal.until("Checking the posting service")
            terminal.interrupt()
            assert terminal.ends() == 130
    assert "Traceback" not in terminal.seen


@pytest.mark.parametrize("columns", [50, 80, 120])
def test_it_fits_the_terminal_and_nothing_is_cut_off(txn: Commands, parts: Parts, columns: int) -> None:
    host = "a-host-with-a-long-name-" * 3
    alive(parts, 5_000, host=host)
    said = txn("doctor", columns=columns, TXN_ALLOW_CLEANUP="1").out
    assert max(map(len, said.splitlines())) <= columns
    together = "".join(said.split())
    assert f"thatof{host},withworkers,is" in together
    assert "→unsetitwherevertransactionsarereal" in together


def test_a_name_from_elsewhere_gives_the_terminal_no_orders(txn: Commands, parts: Parts) -> None:
    alive(parts, 5_000, host="h\x1b[2J")
    assert "\x1b[2J" not in txn("doctor").out
