"""What is logged as an error goes to Sentry too, if TXN_SENTRY_DSN is set. Loaded only then: it needs `sentry-sdk`.

An event is put together from names and places: which line of which program, of which transaction and request. What a
line or an exception says beyond that may quote a client's content, and stays in the log.
"""

import logging
from typing import Any

import sentry_sdk
from sentry_sdk.integrations.atexit import AtexitIntegration
from sentry_sdk.utils import BadDsn, event_from_exception

from txn import __version__
from txn.errors import BadSettings

#: Whose lines are templates, with what may be content only in their arguments.
_PLAIN = ("txn", "dramatiq", "gunicorn")
#: Fields of lines that are names and numbers of ours.
_TAGS = ("request_id", "trace_id", "transaction", "attempt", "mode", "outcome", "http", "reply")


def start(dsn: str, **options: Any) -> None:
    """For this process, from now on. `options`: of `sentry_sdk.init`.

    Raises: BadSettings, without showing the DSN.
    """
    try:
        sentry_sdk.init(
            dsn=dsn,
            release=f"txn@{__version__}",
            # None that patches other libraries or looks at requests, headers and local variables. (What is sent is made
            # here; the options say the same to whoever adds to it.)
            default_integrations=False,
            auto_enabling_integrations=False,
            integrations=[AtexitIntegration(callback=lambda _pending, _timeout: None)],
            include_local_variables=False,
            max_request_body_size="never",
            max_breadcrumbs=0,
            in_app_include=["txn"],
            **options,
        )
    except BadDsn:
        raise BadSettings("TXN_SENTRY_DSN is not a DSN: copy it from Sentry, as in https://KEY@HOST/PROJECT") from None


def send(record: logging.LogRecord) -> bool:
    """A filter that keeps every record, for a handler, behind those that hold floods back and name the request."""
    if record.levelno >= logging.ERROR and not record.name.startswith("sentry_sdk"):
        with sentry_sdk.utils.capture_internal_exceptions():
            sentry_sdk.capture_event(_event(record))
    return True


def _event(record: logging.LogRecord) -> Any:
    event: dict[str, Any] = {}
    if record.exc_info and record.exc_info[0] is not None:
        event, _ = event_from_exception(record.exc_info, sentry_sdk.get_client().options)  # type: ignore[assignment]
        for one in event["exception"]["values"]:
            one.pop("value", None)
    is_plain = record.name.partition(".")[0] in _PLAIN
    return event | {
        "level": "fatal" if record.levelno >= logging.CRITICAL else "error",
        "logger": record.name,
        "logentry": {"message": str(record.msg) if is_plain else "see the log"},
        "tags": {name: str(getattr(record, name)) for name in _TAGS if hasattr(record, name)},
    }
