"""The API, which waits for a Redis that stands still as long as a busy machine may need.

With its own patience, it would refuse with 503 what a test sends once, and lose what it has timed.
"""

from txn.composition import api

api.ACCEPT_TIMEOUT_MS = api.HEALTH_TIMEOUT_MS = api.PAGE_TIMEOUT_MS = 30_000

from txn.wsgi import app  # noqa: E402

__all__ = ["app"]
