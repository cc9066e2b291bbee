"""What `make run` says when all is up: one screen."""

import shlex
from collections.abc import Mapping

from txn.model.ids import id_for_key

KEY = "order-12345"
BODY = '{"amount": 100.50, "currency": "USD", "description": "Payment", "metadata": {"order_id": "12345"}}'


def welcome(environment: Mapping[str, str], port: int, login: tuple[str, str] | None, own: tuple[bool, bool]) -> str:
    """Where everything is, and three commands to try. `own`: whether Redis and the posting service are of this run."""
    site = f"http://127.0.0.1:{port}"
    redis = environment["TXN_REDIS_URL"] if own[0] else "your own (TXN_REDIS_URL)"
    posting = f"{environment['TXN_POSTING_URL']}  (a mock)" if own[1] else "your own (TXN_POSTING_URL)"
    header = f"-H 'Content-Type: application/json' -H 'Idempotency-Key: {KEY}'"
    log_in = "as {}, password {}".format(*login) if login else "with a user of TXN_ADMIN_USERS"
    return f"""
  admin site       {site}/admin  ({log_in})
  API              {site}/api/health
  posting service  {posting}
  Redis            {redis}
  logs             .txn/logs

  Try, in a second terminal in this folder: submit, look at it, look at everything

    curl -s {site}/api/transactions {header} -d {shlex.quote(BODY)}
    curl -s {site}/api/transactions/{id_for_key(KEY)}
    .venv/bin/txn status

  Ctrl-C stops everything; what was accepted is still there at the next run.
"""
