"""dramatiq-dashboard's own pages, fed by our readers: it never speaks to Redis, and never changes anything.

Of its application only routing and templates are used. What it would do itself, and does wrong, is put in from here:
the login and the CSRF tokens are the site's, its cookie is never read or set, `KEYS` is never sent, what was
fetched does not count as queued, a message that cannot be read is left out instead of breaking the page, and times
are made and told without `utcfromtimestamp` and `utcnow`, which warn since Python 3.12 and will go.
"""

import time
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from io import BytesIO
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

from dramatiq import Message
from dramatiq.errors import DecodeError
from dramatiq_dashboard import DashboardApp
from dramatiq_dashboard.interface import Job, Queue, Worker
from jinja2 import ChoiceLoader, DictLoader
from markupsafe import Markup

from txn.queue.message import NAME
from txn.readers.formats import ago
from txn.readers.queued_messages import PAGE, MessageReader
from txn.readers.workers import WorkerReader

#: Its names for what waits, what is delayed (never, here) and the dead letters.
DEAD = f"{NAME}.XQ"

_NOT_A_JOB = (DecodeError, TypeError, ValueError, KeyError, AttributeError, OverflowError, OSError)

#: The token for the forms of the page that is being made; empty for somebody who may not act.
_token: ContextVar[str] = ContextVar("token", default="")

#: In place of its frame, which brings a style sheet of its own, and of its buttons.
_TEMPLATES = {
    "_base.html": "{% block content %}{% endblock %}",
    "_action.html": """{% macro action(label, uri, params, classes="") %}{% if may_act(params) %}
<form action="{{ uri }}" method="post">{{ csrf_token() }}
{% for name, value in params.items() %}<input type="hidden" name="{{ name }}" value="{{ value }}">{% endfor %}
<button class="quiet">{{ {"Requeue": "Replay", "Delete": "Discard"}[label] }}</button></form>
{% endif %}{% endmacro %}""",
}


class DramatiqPages:
    """Pages under `prefix`, as fragments of HTML."""

    def __init__(self, messages: MessageReader, workers: WorkerReader, prefix: str) -> None:
        mute = SimpleNamespace(client=SimpleNamespace(register_script=lambda _script: None))
        self._app = DashboardApp(mute, prefix)
        self._app.iface = _Interface(messages, workers)
        templates = self._app.templates
        templates.loader = ChoiceLoader([DictLoader(_TEMPLATES), templates.loader])
        templates.filters["timeago"] = _ago
        templates.globals |= {"csrf_token": _csrf_field, "may_act": _may_act}

    def fragment(self, path: str, parameters: Mapping[str, object], token: str) -> Markup | None:
        """The page at `path`, None if there is none. `token` is empty for somebody who may not act.

        Raises: StoreUnavailable.
        """
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": urlencode(parameters)}
        statuses: list[str] = []
        reset = _token.set(token)
        try:
            body = self._app(environ | {"wsgi.input": BytesIO()}, lambda status, _headers: statuses.append(status))
            text = b"".join(body).decode()
        finally:
            _token.reset(reset)
        # It escapes everything itself, as its environment is set up to.
        return Markup(text) if statuses == ["200 OK"] else None  # noqa: S704


class _Interface:
    """What dramatiq-dashboard asks its own interface to Redis."""

    def __init__(self, messages: MessageReader, workers: WorkerReader) -> None:
        self._messages, self._workers = messages, workers

    @property
    def queues(self) -> list[Any]:
        return [self.get_queue(NAME)]

    @property
    def workers(self) -> list[Any]:
        return [Worker(one.name, _moment(one.beat_ms), one.held) for one in self._workers.read().workers]

    def get_queue(self, name: str) -> Any:
        waiting, dead = self._messages.sizes()
        return Queue(name, waiting, 0, dead)

    def get_jobs(self, queue: str, cursor: int = 0) -> tuple[int | None, list[Any]]:
        if queue not in (NAME, DEAD):
            return None, []
        bodies = self._messages.dead(cursor) if queue == DEAD else self._messages.waiting(cursor)
        jobs = [job for body in bodies if (job := _job(body)) is not None]
        return (cursor + PAGE if len(bodies) == PAGE else None), jobs

    def get_job(self, queue: str, message_id: str) -> Any:
        body = self._messages.one(message_id, dead=queue == DEAD) if queue in (NAME, DEAD) else None
        return None if body is None else _job(body)


def _job(body: bytes) -> Any:
    try:
        message = Message.decode(body)
        options, sent_ms = message.options, message.message_timestamp
        return Job(
            message_id=options.get("redis_message_id", message.message_id),
            message=message,
            eta=_moment(options.get("eta", sent_ms)),
            timestamp=_moment(sent_ms),
            retries=options.get("retries", 0),
        )
    except _NOT_A_JOB:
        return None


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _ago(moment: datetime) -> str:
    return ago(round(moment.timestamp() * 1000), round(time.time() * 1000))


def _may_act(parameters: Mapping[str, str]) -> bool:
    return bool(_token.get()) and parameters["queue"] == DEAD


def _csrf_field() -> Markup:
    return Markup('<input type="hidden" name="csrf" value="{}">').format(_token.get())
