import contextlib
import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.callbacks.receiver import KEY, OLD_SECRET, SECRET, Receiver, line, status
from tests.callbacks.rig import REJECTED, Sending, at, ended
from tests.parts import Parts
from tests.web_server import Answering
from txn.callbacks.sender import MARGIN_MS
from txn.model.content import loads
from txn.settings import Settings
from txn.signatures import signature
from txn.store.callbacks import Room

DAY_MS = 86_400_000


def test_it_is_posted_and_signed(parts: Parts, settings: Settings) -> None:
    with Receiver() as receiver:
        sending = Sending(parts, at(settings, receiver.url))
        ended(parts, "a")
        assert sending.round() == 1
        [one] = receiver.received
        assert one.path == "/hooks"
        assert one.headers["content-type"] == "application/json"
        assert set(one.json) == {"type", "timestamp", "data"}
        assert one.json["type"] == "transaction.completed"
        assert one.json["data"] == loads(one.body)["data"] == parts.store.read("a").to_json()
        assert one.json["timestamp"] == one.json["data"]["completedAt"]
        name, timestamp = one.headers["webhook-id"], int(one.headers["webhook-timestamp"])
        assert abs(timestamp - time.time()) < 60
        assert one.headers["webhook-signature"] == signature(KEY, name, timestamp, one.body)
        assert sending.totals() == (0, 0, 1, 0)


def test_who_verifies_with_the_standards_own_package_is_content(parts: Parts, settings: Settings) -> None:
    with Receiver() as receiver:
        both = settings.model_copy(update={"callbacks": line("default", receiver.url, SECRET, OLD_SECRET)})
        sending = Sending(parts, at(both))
        ended(parts, "a", REJECTED)
        sending.round()
        [one] = receiver.received
        for secret in (SECRET, OLD_SECRET):
            assert Webhook(secret).verify(one.body, one.headers)["data"]["error"]["code"] == "rejected"


@pytest.mark.parametrize(
    ("code", "totals"), [*((code, (0, 0, 1, 0)) for code in (200, 201, 202, 204, 299)), (410, (0, 1, 0, 1))]
)
def test_any_2xx_is_enough_and_410_ends_it(
    parts: Parts, settings: Settings, code: int, totals: tuple[int, ...]
) -> None:
    with Receiver(status(code)) as receiver:
        sending = Sending(parts, at(settings, receiver.url))
        ended(parts, "a")
        sending.round()
        assert sending.totals() == totals


@pytest.mark.parametrize("code", [302, 400, 401, 404, 409, 422, 429, 500, 503])
def test_after_any_other_answer_it_comes_again_as_the_same(parts: Parts, settings: Settings, code: int) -> None:
    with Receiver(status(code, Location="/elsewhere"), status(204)) as receiver:
        sending = Sending(parts, at(settings, receiver.url))
        ended(parts, "a")
        assert sending.round() == 1
        assert sending.round() == 0
        parts.clock.forward(5_000)
        assert sending.round() == 1
        first, second = receiver.received
        assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
        assert sending.totals() == (0, 0, 1, 1)
        assert receiver.followed == []


def test_each_wait_is_longer_up_to_an_hour_for_a_day(parts: Parts, settings: Settings) -> None:
    with Receiver(status(500)) as receiver:
        sending = Sending(parts, at(settings, receiver.url))
        ended(parts, "a")
        began, waits, slowest = parts.read_statistics().now_ms, list[int](), 0
        tried = began
        while sending.totals()[1] == 0:
            [(_, due)] = parts.client.zrange(parts.keys.callbacks_to("client "), 0, 0, withscores=True)
            waits.append(round(due) - tried)
            parts.clock.forward(max(0, round(due) - parts.read_statistics().now_ms))
            tried = parts.read_statistics().now_ms
            sending.round()
            slowest = max(slowest, parts.read_statistics().now_ms - tried)
        half_doubled = [2_500, 5_000, 10_000, 20_000, 40_000]
        assert all(0 <= wait - least <= slowest for wait, least in zip(waits[1:6], half_doubled, strict=True))
        assert max(waits) <= 3_600_000 + slowest
        assert DAY_MS - 3_600_000 < parts.read_statistics().now_ms - began < DAY_MS + 60_000
        assert len(receiver.received) == len(waits) < 100


@pytest.mark.parametrize(("asked", "waits_ms"), [("60", 60_000), ("1", 2_500), ("999999", 3_600_000), ("soon", 2_500)])
def test_it_waits_as_long_as_it_is_asked_to_within_reason(
    parts: Parts, settings: Settings, asked: str, waits_ms: int
) -> None:
    with Receiver(status(503, Retry_After=asked), status(204)) as receiver:
        sending = Sending(parts, at(settings, receiver.url))
        ended(parts, "a")
        before = parts.read_statistics().now_ms
        sending.round()
        [(_, due)] = parts.client.zrange(parts.keys.callbacks_to("client "), 0, 0, withscores=True)
        assert before + waits_ms <= due <= parts.read_statistics().now_ms + waits_ms


@pytest.mark.parametrize("answer", [Receiver.hang, Receiver.trickle])
def test_who_hangs_or_answers_without_end_is_given_up_after_the_deadline(
    parts: Parts, settings: Settings, answer: Callable[[Receiver, Answering], None]
) -> None:
    with Receiver() as receiver:
        receiver.answers = [partial(answer, receiver)]
        sending = Sending(parts, at(settings, receiver.url, callback_timeout_ms=200))
        ended(parts, "a")
        sending.round()
        assert sending.totals() == (1, 0, 0, 1)


@pytest.mark.parametrize(("code", "totals"), [(200, (0, 0, 1, 0)), (500, (1, 0, 0, 1))])
def test_of_a_large_answer_only_the_status_counts(
    parts: Parts, settings: Settings, code: int, totals: tuple[int, ...]
) -> None:
    written, over = list[int](), threading.Event()

    def large(handler: Any) -> None:
        handler.send_response(code)
        handler.send_header("Content-Length", str(50_000_000))
        handler.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(50):
                handler.wfile.write(b"x" * 1_000_000)
                written.append(1_000_000)
        over.set()

    with Receiver(large) as receiver:
        sending = Sending(parts, at(settings, receiver.url))
        ended(parts, "a")
        sending.round()
        assert sending.totals() == totals
        assert over.wait(30)
        assert sum(written) < 40_000_000  # what the kernel took before the connection was closed


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "2130706433", "127.1"])
def test_it_does_not_come_to_this_machine(
    parts: Parts, settings: Settings, host: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Receiver() as receiver:
        url = receiver.url.replace("127.0.0.1", host)
        sending = Sending(parts, at(settings, url, callback_networks=""))
        ended(parts, "a")
        with caplog.at_level(logging.WARNING):
            sending.round()
        assert receiver.received == []
        assert sending.totals() == (1, 0, 0, 1)
        assert "which is not public" in caplog.records[-1].__dict__["detail"]


def test_proxies_of_the_environment_are_not_used(
    parts: Parts, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Receiver() as receiver, Receiver(status(500)) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        sending = Sending(parts, at(settings, receiver.url))
        ended(parts, "a")
        sending.round()
        assert (len(receiver.received), proxy.received) == (1, [])


def test_one_without_a_line_any_more_waits_for_it(parts: Parts, settings: Settings) -> None:
    sending = Sending(parts, at(settings))
    ended(parts, "a", client="shop")
    sending.round()
    assert sending.totals() == (1, 0, 0, 1)


def test_a_submissions_own_url_is_looked_at_again(parts: Parts, settings: Settings) -> None:
    with Receiver() as receiver:
        ended(parts, "a", callback=receiver.url)
        Sending(parts, at(settings, "http://other.example/")).round()
        assert receiver.received == []
        parts.clock.forward(5_000)
        allowed = at(settings, "http://other.example/", callback_hosts=f"127.0.0.1:{receiver.port}")
        Sending(parts, allowed).round()
        assert len(receiver.received) == 1


def test_who_dies_after_sending_sends_again_under_the_same_id(parts: Parts, settings: Settings) -> None:
    with Receiver() as receiver:
        dead, alive = (Sending(parts, at(settings, receiver.url)) for _ in range(2))
        dead.sender.note = lambda *_: None  # type: ignore[method-assign]
        ended(parts, "a")
        dead.round()
        assert alive.round() == 0
        parts.clock.forward(settings.callback_timeout_ms + MARGIN_MS)
        assert alive.round() == 1
        first, second = receiver.received
        assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
        assert alive.totals() == (0, 0, 1, 0)


def test_who_dies_before_sending_leaves_it_to_the_next(parts: Parts, settings: Settings) -> None:
    with Receiver() as receiver:
        alive = Sending(parts, at(settings, receiver.url))
        ended(parts, "a")
        assert (
            len(alive.callbacks.take("dead", Room(9, 9, 9, 9, {}), settings.callback_timeout_ms + MARGIN_MS, 3_600_000))
            == 1
        )
        assert alive.round() == 0
        parts.clock.forward(settings.callback_timeout_ms + MARGIN_MS)
        assert alive.round() == 1
        assert len(receiver.received) == 1


def test_one_that_hangs_holds_nobody_up(parts: Parts, settings: Settings) -> None:
    with Receiver() as hanging, Receiver() as well:
        hanging.answers = [hanging.hang]
        lines = line("slow", hanging.url) + line("shop", well.url)
        sending = Sending(parts, at(settings, callbacks=lines, callbacks_in_flight=4, callback_timeout_ms=60_000))
        for number in range(20):
            ended(parts, f"s{number}", client="slow")
        for number in range(20):
            ended(parts, f"f{number}", client="shop")
        while len(well.received) < 20:
            sending.sender.beat()
        assert len(hanging.received) <= 2


def test_any_number_that_hang_leave_room_for_a_new_one_and_for_one_that_answers(
    parts: Parts, settings: Settings
) -> None:
    with Receiver(status(500)) as failing, Receiver() as well:
        lines = "".join(line(f"c{number}", failing.url) for number in range(6))
        lines += line("known", f"{well.url}/known") + line("new", f"{well.url}/new")
        sending = Sending(parts, at(settings, callbacks=lines, callbacks_in_flight=8, callback_timeout_ms=60_000))
        ended(parts, "first", client="known")
        for number in range(6):
            ended(parts, f"f{number}", client=f"c{number}")
        while sending.totals()[2] < 1 or sending.totals()[3] < 6:
            sending.round()
        failed = len(failing.received)
        failing.answers = [failing.hang]
        parts.clock.forward(5_000)
        sending.sender.tick()
        failing.wait_for(failed + 2)  # a quarter of the places
        ended(parts, "second", client="known")
        ended(parts, "third", client="new")
        while len(well.received) < 3:
            sending.sender.beat()
        assert {one.path for one in well.received} == {"/hooks/known", "/hooks/new"}
        assert len(failing.received) == failed + 2


def test_neither_secrets_nor_queries_are_logged(
    parts: Parts, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with Receiver() as receiver, caplog.at_level(logging.DEBUG):
        receiver.answers = [receiver.hang]
        sending = Sending(parts, at(settings, f"{receiver.url}?token=tell-nobody", callback_timeout_ms=100))
        ended(parts, "a")
        sending.round()
        said = "".join(f"{record.getMessage()} {record.__dict__.get('detail')}" for record in caplog.records)
        assert f"{receiver.url}?…" in said
        stored = b"".join(
            b"".join(parts.client.hgetall(key))
            for key in parts.client.scan_iter("*callbacks:*")
            if parts.client.type(key) == b"hash"
        )
        for text in (said, repr(sending.rules), repr(at(settings, receiver.url)), stored.decode()):
            assert "tell-nobody" not in text
            assert SECRET not in text
