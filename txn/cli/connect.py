"""The parts that a command works with, on the Redis of the environment's settings."""

import os
from urllib.parse import urlsplit

from txn.composition import operators
from txn.operate.tools import Tools
from txn.redis_places import split_cluster_url, split_sentinel_url
from txn.settings import Settings

READ_TIMEOUT_MS = 2_000


def open_tools() -> Tools:
    """Raises: BadSettings."""
    settings = Settings.from_environment(os.environ)
    return operators.open_tools(settings, None, READ_TIMEOUT_MS)


def look_at_durability(tools: Tools) -> None:
    """So that `tools.durability` knows. What is wrong is in it; a Redis that is away changes nothing."""
    tools.durability.check(tools.database.client)


def look_at_intake(tools: Tools) -> None:
    """So that `tools.intake` knows. Raises: StoreUnavailable."""
    tools.intake.beat()


def without_secrets(url: str) -> str:
    """The URL as it may be shown: no user, no password, no options."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return f"unix://{parts.path}"
    if behind := split_sentinel_url(url):
        places = ",".join(f"{host}:{port}" for host, port in behind.sentinels)
        return f"{parts.scheme}://{places}/{behind.name}"
    if cluster := split_cluster_url(url):
        return f"{parts.scheme}://{','.join(f'{host}:{port}' for host, port in cluster.nodes)}"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}{parts.path}"
