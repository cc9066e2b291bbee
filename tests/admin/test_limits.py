import threading
import time
from collections.abc import Iterator

import falcon
import pytest

from tests.admin.site import HASH, PASSWORD, Browser
from tests.parts import Seconds
from txn.addresses import Networks
from txn.admin.door import passwords
from txn.admin.door.address import client_network
from txn.admin.door.limiter import MAX_PER_ADDRESS, MAX_PER_NAME, MAX_REMEMBERED, WINDOW_S, LoginLimiter
from txn.admin.door.passwords import MAX_WAITING, Busy, Passwords
from txn.admin.door.users import User, read_users
from txn.password_hash import hash_password


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def limiter(seconds: Seconds) -> LoginLimiter:
    return LoginLimiter(seconds)


def test_a_name_is_limited_from_wherever_it_is_tried(limiter: LoginLimiter) -> None:
    for number in range(MAX_PER_NAME):
        assert limiter.wait_s("ada", f"10.0.0.{number}") == 0
        limiter.failed("ada", f"10.0.0.{number}")
    assert limiter.wait_s("ada", "10.0.1.1") > 0
    assert limiter.wait_s("vic", "10.0.0.1") == 0


def test_an_address_is_limited_whatever_name_it_tries(limiter: LoginLimiter) -> None:
    for number in range(MAX_PER_ADDRESS):
        assert limiter.wait_s(f"name{number}", "10.0.0.1") == 0
        limiter.failed(f"name{number}", "10.0.0.1")
    assert limiter.wait_s("ada", "10.0.0.1") > 0
    assert limiter.wait_s("ada", "10.0.0.2") == 0


def test_the_wait_ends_when_the_failures_are_old(limiter: LoginLimiter, seconds: Seconds) -> None:
    for _ in range(MAX_PER_NAME):
        limiter.failed("ada", "a")
    assert limiter.wait_s("ada", "a") == WINDOW_S + 1
    seconds.now_s += WINDOW_S - 1
    assert limiter.wait_s("ada", "a") == 2
    seconds.now_s += 1
    assert limiter.wait_s("ada", "a") == 0


def test_a_success_forgives_the_name_and_not_the_address(limiter: LoginLimiter) -> None:
    for _ in range(MAX_PER_ADDRESS):
        limiter.failed("ada", "a")
    limiter.succeeded("ada")
    assert limiter.wait_s("ada", "b") == 0
    assert limiter.wait_s("ada", "a") > 0


def test_what_is_remembered_is_bounded(limiter: LoginLimiter) -> None:
    for number in range(MAX_REMEMBERED):
        limiter.failed(f"name{number}", f"address{number}")
    assert len(limiter._failures) <= MAX_REMEMBERED


def test_too_many_failures_are_429_also_for_the_right_password(browser: Browser) -> None:
    for _ in range(MAX_PER_NAME):
        assert browser.log_in("ada", "wrong").status_code == 401
    result = browser.log_in("ada", PASSWORD)
    assert result.status_code == 429
    assert 0 < int(result.headers["Retry-After"]) <= WINDOW_S + 1
    assert "Too many attempts" in result.text
    assert browser.log_in("vic", PASSWORD).status_code == 303


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Hashing stands still until the gate opens."""
    gate, real = threading.Event(), passwords._verifies
    monkeypatch.setattr(passwords, "_verifies", lambda *given: gate.wait(30) and real(*given))
    yield gate
    gate.set()


def waiting(door: Passwords, addresses: list[str], found: list[User | None]) -> list[threading.Thread]:
    """Logins of strangers from each address, all of them in."""
    threads = [
        threading.Thread(target=lambda one=address: found.append(door.user("ada", PASSWORD, one)))  # type: ignore[misc]
        for address in addresses
    ]
    for thread in threads:
        thread.start()
    while len(door._strangers._waiting) < len(addresses):
        assert all(thread.is_alive() for thread in threads)
    return threads


def test_logins_that_would_starve_others_are_turned_away(gate: threading.Event) -> None:
    door, found = Passwords(read_users(f"ada:operate:{HASH}")), []
    threads = waiting(door, ["a", "b", "c"][:MAX_WAITING], found)
    with pytest.raises(Busy):
        door.user("ada", PASSWORD, "d")
    gate.set()
    for thread in threads:
        thread.join()
    assert [user and user.name for user in found] == ["ada"] * MAX_WAITING
    assert door.user("ada", PASSWORD)


def test_an_address_has_one_login_at_a_time(gate: threading.Event) -> None:
    door, found = Passwords(read_users(f"ada:operate:{HASH}")), []
    threads = waiting(door, ["a"], found)
    with pytest.raises(Busy):
        door.user("ada", PASSWORD, "a")
    gate.set()
    for thread in threads:
        thread.join()
    assert door.user("ada", PASSWORD, "a")


def test_strangers_do_not_keep_a_known_browser_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    monkeypatch.setattr(passwords, "_verifies", lambda _known, given: given == "known" or gate.wait(30))
    door, found = Passwords(read_users(f"ada:operate:{HASH}")), []
    threads = waiting(door, ["a", "b", "c"], found)
    assert door.user("ada", "known", "a browser", known=True)
    assert found == []
    gate.set()
    for thread in threads:
        thread.join()


def test_strangers_passwords_take_no_more_than_their_share_of_a_core() -> None:
    door = Passwords(read_users(f"ada:operate:{hash_password(PASSWORD)}"))
    used, began = time.process_time(), time.monotonic()
    for _ in range(6):
        door.user("eve", "wrong", "a")
    assert time.process_time() - used < (time.monotonic() - began) / 2


def test_an_unknown_name_costs_a_hash_too(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = []
    monkeypatch.setattr(passwords, "_verifies", lambda known, given: bool(hashed.append(known)) or True)
    assert Passwords(read_users(f"ada:operate:{HASH}")).user("eve", PASSWORD) is None
    assert hashed == [HASH]


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", "10.1.1.1", "203.0.113.9"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "6.6.6.6", "127.0.0.1"),
        ("10.0.0.7", "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.7", "6.6.6.6, any text", "10.0.0.7"),
        ("10.0.0.7", "", "10.0.0.7"),
        ("::ffff:10.0.0.7", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::/64"),
        ("", "203.0.113.9", "203.0.113.9"),
    ],
)
def test_only_a_named_proxy_is_believed_and_only_its_own_word(peer: str, forwarded: str, address: str) -> None:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    environ = falcon.testing.create_environ("/admin", remote_addr=peer or "0.0.0.0", headers=headers)
    environ["REMOTE_ADDR"] = peer
    assert client_network(falcon.Request(environ), Networks(["10.0.0.0/8", "unix"])) == address


def test_a_name_that_strangers_fail_on_is_not_locked_for_a_browser_it_has_used(browser: Browser) -> None:
    browser.log_in("ada")
    browser.post("/admin/logout")
    stranger = Browser(browser.parts)
    stranger.client = browser.client
    for _ in range(MAX_PER_NAME):
        assert stranger.log_in("ada", "wrong").status_code == 401
    assert stranger.log_in("ada").status_code == 429
    assert browser.log_in("ada").status_code == 303


def test_a_known_browser_is_limited_too_and_known_for_its_name_only(browser: Browser) -> None:
    browser.log_in("ada")
    browser.post("/admin/logout")
    for _ in range(MAX_PER_NAME):
        assert browser.log_in("ada", "wrong").status_code == 401
    assert browser.log_in("ada").status_code == 429
    for _ in range(MAX_PER_NAME):
        assert browser.log_in("vic", "wrong").status_code == 401
    assert browser.log_in("vic").status_code == 429
