"""One log for every process and every library in it. Events are the standard library's; `extra` holds fields."""

import logging.config
import os
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, Literal

import structlog

from txn.errors import BadSettings
from txn.logs import trace, unbreakable
from txn.logs.aside import AsideHandler
from txn.logs.flood import Flood
from txn.loop import Loop
from txn.server import request_id

#: How often what was held back is looked at.
_FLUSH_S = 1.0


def configure(level: str, style: Literal["auto", "json", "text"], *, aside: bool = False, sentry_dsn: str = "") -> None:
    """For this process, from now on. Not before a fork: it starts a thread.

    `style`: `auto` is text if standard error is a terminal, else JSON. `aside`: who logs does not wait for who reads.
    Raises: BadSettings, if errors shall go to Sentry and cannot.
    """
    logging.config.dictConfig(config(level, style))
    root = logging.getLogger()
    [handler] = root.handlers
    if aside:
        root.removeHandler(handler)
        handler = AsideHandler(handler)
        root.addHandler(handler)
    flood = Flood()
    handler.addFilter(flood)
    handler.addFilter(request_id.stamp)
    handler.addFilter(trace.stamp)
    if sentry_dsn:
        handler.addFilter(_sentry(sentry_dsn))

    def flush() -> float:
        flood.flush()
        return _FLUSH_S

    Loop("log", flush).start()


def _sentry(dsn: str) -> Callable[[logging.LogRecord], bool]:
    try:
        from txn.logs import sentry  # noqa: PLC0415  (only who wants it has it installed)
    except ImportError:
        raise BadSettings("TXN_SENTRY_DSN is set, but sentry-sdk is not installed: pip install txn[sentry]") from None
    sentry.start(dsn)
    return sentry.send


def send_errors(patience_s: float) -> None:
    """Those for Sentry leave this process now; to be called before that ends in a way that skips `atexit`."""
    if "txn.logs.sentry" in sys.modules:
        sys.modules["sentry_sdk"].flush(patience_s)


def config(level: str, style: Literal["auto", "json", "text"]) -> dict[str, Any]:
    """For `logging.config.dictConfig`; gunicorn's master process uses it too (txn/gunicorn_conf.py)."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"txn": {"()": formatter, "text": style == "text" or (style == "auto" and os.isatty(2))}},
        "handlers": {"stderr": {"()": unbreakable.StreamHandler, "formatter": "txn", "stream": sys.stderr}},
        "root": {"level": level, "handlers": ["stderr"]},
        # gunicorn gives this one handlers of its own and shuts it off from the root.
        "loggers": {"gunicorn.error": {"level": level, "handlers": [], "propagate": True}},
    }


def formatter(*, text: bool) -> logging.Formatter:
    """Lines of text with colours, or of JSON."""
    last: list[structlog.typing.Processor]
    if text:
        colours = os.isatty(2) and not os.environ.get("NO_COLOR")
        # The fancier tracebacks show local variables: payloads and credentials among them.
        last = [
            structlog.dev.ConsoleRenderer(
                colors=colours, sort_keys=False, exception_formatter=structlog.dev.plain_traceback
            )
        ]
    else:
        last = [
            _time_first,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=unbreakable.as_text),
        ]
    return unbreakable.Formatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                _add_process,
                structlog.stdlib.ExtraAdder(),
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )


def _add_process(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["pid"] = os.getpid()
    return event


def _time_first(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """In the order in which people read."""
    first = {name: event.pop(name) for name in ("timestamp", "level", "logger", "pid", "event") if name in event}
    return {**first, **event}
