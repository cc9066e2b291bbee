"""Several servers are asked the same at once, so that one that is slow or away does not hold the others up."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from txn.redis_places import Place

#: How long one may take to answer, and how long the others are waited for once there are enough, in s.
ANSWER_S = 1.0
OTHERS_S = 0.2

#: For the client of one that is asked.
OPTIONS: dict[str, Any] = {
    "socket_timeout": ANSWER_S,
    "socket_connect_timeout": ANSWER_S,
    "retry": Retry(NoBackoff(), 0),
    "protocol": 2,
    "driver_info": None,
}


class NoPrimary(redis.ConnectionError):
    """No primary is to be had now; the message says why, without addresses."""


class Found(NamedTuple):
    """Where a primary is, and of which configuration that is: a later one has a higher epoch."""

    place: Place
    epoch: int


class Answer(NamedTuple):
    """What one has said, or why it has not."""

    said: Any
    error: redis.RedisError | None
    #: Who was asked.
    by: Place


def ask_all(clients: Sequence[redis.Redis], ask: Callable[[redis.Redis], Any]) -> list[Answer]:
    """The answers that came in time: of all, if they come soon after more than half have answered."""
    answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
    for client in clients:
        threading.Thread(target=lambda one=client: answers.put(_answer(one, ask)), daemon=True).start()
    told: list[Answer] = []
    ends_s = time.monotonic() + 2 * ANSWER_S
    while len(told) < len(clients) and (left_s := ends_s - time.monotonic()) > 0:
        try:
            told.append(answers.get(timeout=left_s))
        except queue.Empty:
            break
        if is_majority(said(told), clients):
            ends_s = min(ends_s, time.monotonic() + OTHERS_S)
    return told


def said(told: Sequence[Answer]) -> list[Any]:
    """What those have said that have answered."""
    return [answer.said for answer in told if answer.error is None]


def is_majority(some: Sequence[object], of: Sequence[object]) -> bool:
    """Whether they are more than half."""
    return 2 * len(some) > len(of)


def refuses_us(told: Sequence[Answer]) -> bool:
    """Whether one of them wants other credentials, or does not let us ask."""
    refusals = redis.AuthenticationError | redis.exceptions.NoPermissionError
    return any(isinstance(answer.error, refusals) for answer in told)


def _answer(client: redis.Redis, ask: Callable[[redis.Redis], Any]) -> Answer:
    options = client.connection_pool.connection_kwargs
    by = Place(options["host"], options["port"])
    try:
        return Answer(ask(client), None, by)
    except redis.RedisError as error:
        return Answer(None, error, by)
    except Exception as error:  # noqa: BLE001 - an answer that is none must not be waited for
        why = f"it answers in a form that txn does not know ({type(error).__name__})"
        return Answer(None, redis.ResponseError(why), by)
