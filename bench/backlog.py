"""Puts many transactions into a store quickly, through the store's own scripts."""

import json
import os
import time
from typing import Any

import redis

from txn.model.submission import parse_submission
from txn.queue.message import NAME, message_template
from txn.settings import Settings
from txn.store.database import Database
from txn.store.keys import Keys
from txn.store.transactions import Store

BATCH = 500


def fill(client: redis.Redis, count: int, first: int = 0) -> None:
    """Accept `count` transactions, numbered from `first`, exactly as the API stores them.

    Meanwhile the server does not wait for the disk at each write.
    """
    client.config_set("appendfsync", "no")
    store = Store(Database(client, Keys("txn:", NAME)), message_template(), Settings())
    script: Any = store._database.scripts._scripts["accept"]
    sha = client.script_load(script.script)
    calls: list[tuple[list[str], list[Any]]] = []

    def queue(_name: str, keys: Any, arguments: Any, _repeats: int, own: Any, **_more: bool) -> list[Any]:
        calls.append((keys, [*arguments, *own]))
        return [b"accepted", 0]

    store._database.run = queue  # type: ignore[assignment,method-assign]
    for number in range(first, first + count):
        body = {"id": f"bench-{number:030d}"[-36:], "amount": "100.50", "currency": "USD", "description": "Payment"}
        store.accept(parse_submission(json.dumps(body | {"metadata": {"order_id": "12345"}}).encode()))
        if len(calls) == BATCH or number == first + count - 1:
            pipeline = client.pipeline(transaction=False)
            for keys, arguments in calls:
                pipeline.evalsha(sha, len(keys), *keys, *arguments)
            pipeline.execute()
            calls.clear()
    client.config_set("appendfsync", "always")
    while client.info("persistence")["aof_rewrite_in_progress"]:
        time.sleep(0.1)
    os.sync()  # what was not waited for must not slow down what is measured
