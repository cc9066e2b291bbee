import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from falcon.testing import TestClient
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from tests.api.client import submit
from tests.parts import Parts
from txn.errors import BadSettings
from txn.logs import sentry
from txn.server import request_id

DSN = "https://S3cret@sentry.example/1"
AMOUNT, SECRET = "987.65", "S3cret"
BODY = f'{{"amount": {AMOUNT}, "currency": "CHF", "description": "{SECRET}", "metadata": {{"m": "{SECRET}"}}}}'.encode()


class Kept(Transport):
    """What would have left this machine."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.sent.append(envelope.serialize().decode())

    def event(self) -> dict[str, Any]:
        """The only one; nothing of it is content."""
        [text] = self.sent
        assert not [word for word in (AMOUNT, "CHF", SECRET) if word in text]
        found: dict[str, Any] = json.loads(text.splitlines()[-1])
        return found


@pytest.fixture
def kept() -> Iterator[Kept]:
    transport = Kept()
    sentry.start(DSN, transport=transport)
    yield transport
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)


@pytest.fixture
def log(kept: Kept) -> Iterator[logging.Logger]:
    """The root's, with the filters of the real handler."""
    handler, logger = logging.NullHandler(), logging.getLogger()
    request_id.REQUEST_ID.set("")
    handler.handle = handler.filter  # type: ignore[assignment,method-assign]
    handler.addFilter(request_id.stamp)
    handler.addFilter(sentry.send)
    logger.addHandler(handler)
    yield logger
    logger.removeHandler(handler)


def test_an_unexpected_error_names_its_place_and_its_request_and_nothing_of_the_content(
    api: TestClient, parts: Parts, monkeypatch: pytest.MonkeyPatch, kept: Kept, log: logging.Logger
) -> None:
    def accept(submission: Any) -> Any:
        amount, secret = AMOUNT, submission
        try:
            raise KeyError(f"first {SECRET}")
        except KeyError as error:
            raise ValueError(f"{amount} of {secret} in {BODY!r}") from error

    monkeypatch.setattr(parts.store, "accept", accept)
    headers = {"X-Request-Id": "r-1", "Authorization": f"Bearer {SECRET}", "Cookie": SECRET, "Idempotency-Key": SECRET}
    assert submit(api, BODY, **headers).status_code == 500
    event = kept.event()
    assert (event["logger"], event["level"]) == ("txn.api.errors", "error")
    assert event["logentry"] == {"message": "unexpected error in %s %s"}
    assert event["tags"] == {"request_id": "r-1"}
    values = event["exception"]["values"]
    assert [one["type"] for one in values] == ["KeyError", "ValueError"]
    assert values[-1]["stacktrace"]["frames"][-1]["function"] == "accept"
    assert "request" not in event
    assert not [frame for one in values for frame in one["stacktrace"]["frames"] if "vars" in frame]


def test_of_a_line_s_fields_only_names_and_numbers_of_ours_are_sent(kept: Kept, log: logging.Logger) -> None:
    extra = {"transaction": "t-1", "outcome": "posted", "detail": SECRET, "amount": AMOUNT, "reply": "taken"}
    logging.getLogger("txn.delivery").error("late settle refused: %s", AMOUNT, extra=extra)
    event = kept.event()
    assert event["tags"] == {"transaction": "t-1", "outcome": "posted", "reply": "taken"}
    assert event["logentry"] == {"message": "late settle refused: %s"}


def test_of_an_exception_group_no_part_says_anything(kept: Kept, log: logging.Logger) -> None:
    group = ExceptionGroup(SECRET, [ValueError(AMOUNT), KeyError(SECRET)])
    logging.getLogger("txn").critical("ends", exc_info=group)
    event = kept.event()
    assert [one["type"] for one in event["exception"]["values"]][-1] == "ExceptionGroup"
    assert event["level"] == "fatal"


def test_what_another_library_says_stays_in_the_log(kept: Kept, log: logging.Logger) -> None:
    said = f"Task exception was never retrieved {SECRET}"
    logging.getLogger("asyncio").error(said)
    assert kept.event()["logentry"] == {"message": "see the log"}


def test_warnings_are_not_sent_and_its_own_errors_neither(kept: Kept, log: logging.Logger) -> None:
    logging.getLogger("txn").warning("attempt failed")
    logging.getLogger("sentry_sdk.errors").error("cannot send")
    assert kept.sent == []


@pytest.mark.parametrize("dsn", ["S3cret", "https://sentry.example/1", "ftp://S3cret@sentry.example/1"])
def test_what_is_no_dsn_is_refused_and_not_shown(dsn: str) -> None:
    with pytest.raises(BadSettings, match=r"^TXN_SENTRY_DSN is not a DSN") as raised:
        sentry.start(dsn)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("before", "dsn", "said"),
    [
        ("import sys; sys.modules['sentry_sdk'] = None; ", DSN, "is not installed: pip install txn[sentry]"),
        ("", SECRET, "is not a DSN"),
    ],
)
@pytest.mark.parametrize("module", ["txn.worker", "txn.wsgi"])
def test_a_process_that_cannot_send_errors_does_not_start_and_says_why(
    module: str, before: str, dsn: str, said: str
) -> None:
    command = [sys.executable, "-c", f"{before}import {module}"]
    done = subprocess.run(command, env={"TXN_SENTRY_DSN": dsn}, text=True, capture_output=True, check=False)
    assert (done.returncode, said in done.stderr, done.stderr.count("\n")) == (1, True, 1), done.stderr
    assert SECRET not in done.stderr
