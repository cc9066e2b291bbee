"""The worker, which waits for reports that it sends at its end as long as a busy machine may need."""

from txn.queue.middleware import SendReports
from txn.worker import broker

__all__ = ["broker"]

for middleware in broker.middleware:
    if isinstance(middleware, SendReports):
        middleware._patience_s = 60
