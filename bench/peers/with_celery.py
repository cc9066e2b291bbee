"""The same job as a Celery task, on gevent: a GET, a POST, and its state in Redis.

Told by TXN_REDIS_URL and TXN_POSTING_URL. `python with_celery.py COUNT` queues so many.
"""

import os
import sys

import celery
import redis
import requests
from requests.adapters import HTTPAdapter

URL = os.environ["TXN_REDIS_URL"]
POSTING = os.environ["TXN_POSTING_URL"]
BODY = {"amount": 100.50, "currency": "USD", "description": "Payment", "metadata": {"order_id": "12345"}}

app = celery.Celery("with_celery", broker=URL)
# At least once: a task whose worker dies is run again.
app.conf.update(task_acks_late=True, task_ignore_result=True, worker_prefetch_multiplier=1)
client = redis.Redis.from_url(URL)
session = requests.Session()
session.mount("http://", HTTPAdapter(pool_maxsize=200))


@app.task
def post(transaction_id: str) -> None:
    """GET, and POST if it is not there."""
    client.hset(f"celery:{transaction_id}", "status", "processing")
    if session.get(f"{POSTING}/transactions/{transaction_id}", timeout=5).status_code == 404:
        row = BODY | {"id": transaction_id, "timestamp": "2026-01-01T00:00:00.000Z"}
        session.post(f"{POSTING}/transactions", json=row, timeout=5).raise_for_status()
    client.hset(f"celery:{transaction_id}", "status", "completed")
    client.incr("celery:done")


def main() -> None:
    for number in range(int(sys.argv[1])):
        post.delay(f"celery-{number}")


if __name__ == "__main__":
    main()
