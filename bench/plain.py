"""The same job written plainly, for comparison: a stock Dramatiq actor, a GET, a POST, and its state in Redis.

Promises nothing: it loses and doubles. `dramatiq bench.plain`, told by TXN_REDIS_URL and TXN_POSTING_URL.
"""

import os
import threading

import dramatiq
import redis
import requests
from dramatiq.brokers.redis import RedisBroker

URL = os.environ.get("TXN_REDIS_URL", "redis://127.0.0.1:6379/0")
POSTING = os.environ.get("TXN_POSTING_URL", "http://127.0.0.1:8080")
BODY = {"amount": 100.50, "currency": "USD", "description": "Payment", "metadata": {"order_id": "12345"}}

broker = RedisBroker(url=URL, namespace="plain")
dramatiq.set_broker(broker)
client = redis.Redis.from_url(URL)
_thread = threading.local()


def session() -> requests.Session:
    """One session a thread: they are not made to be shared."""
    if not hasattr(_thread, "session"):
        _thread.session = requests.Session()
    found: requests.Session = _thread.session
    return found


@dramatiq.actor(queue_name="plain")
def post(transaction_id: str) -> None:
    """GET, and POST if it is not there."""
    client.hset(f"plain:{transaction_id}", "status", "processing")
    if session().get(f"{POSTING}/transactions/{transaction_id}", timeout=5).status_code == 404:
        row = BODY | {"id": transaction_id, "timestamp": "2026-01-01T00:00:00.000Z"}
        session().post(f"{POSTING}/transactions", json=row, timeout=5).raise_for_status()
    client.hset(f"plain:{transaction_id}", "status", "completed")
    client.incr("plain:done")


def main() -> None:
    """Queue as many as the environment says in PLAIN_COUNT."""
    for number in range(int(os.environ["PLAIN_COUNT"])):
        post.send(f"plain-{number}")


if __name__ == "__main__":
    main()
