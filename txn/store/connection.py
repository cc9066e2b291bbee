"""Clients for Redis: nothing is repeated behind our back, and no call waits for ever."""

from collections.abc import Callable
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry


def connect(url: str, *, timeout_ms: int, on_connect: Callable[[Any], None] | None = None) -> redis.Redis:
    """A client whose calls, and whose connecting, each end within `timeout_ms`.

    `on_connect` is called with every new connection before it carries a command.
    """
    options: dict[str, Any] = {
        "socket_timeout": timeout_ms / 1000,
        "socket_connect_timeout": timeout_ms / 1000,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "driver_info": None,
    }
    if on_connect is not None:
        options["redis_connect_func"] = on_connect
    client = redis.Redis.from_url(url, **options)
    # Whatever the URL's query asks for, these are ours: replies as bytes, RESP2, and an end to every wait.
    client.connection_pool.connection_kwargs.update(options, decode_responses=False)
    return client
