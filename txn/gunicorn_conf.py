"""gunicorn's settings for the API: `gunicorn -c python:txn.gunicorn_conf txn.wsgi:app`.

`-b` overrides the address, WEB_CONCURRENCY the number of processes.
"""

import logging.config
import os
import sys
from typing import Any

from gunicorn.config import Config
from gunicorn.glogging import Logger

from txn.api.key_header import distinct
from txn.errors import BadSettings
from txn.logs import setup as logs
from txn.settings import Settings

bind = "127.0.0.1:8000"
#: One greenlet a connection: a slow client costs nothing, and a submit wakes up one thread instead of three.
worker_class = "gevent"
#: The other half of the cores is for the workers.
workers = int(os.environ.get("WEB_CONCURRENCY") or max(1, (os.cpu_count() or 1) // 2))
worker_connections = 1000
#: Clients keep their connections; a new one for each submit would cost more than the submit.
keepalive = 30
graceful_timeout = 10
#: A control socket in a fixed place would be taken away by a second instance on the same machine.
control_socket_disable = True
#: None: a line per request costs more than the request.
accesslog = None
errorlog = "-"
#: Every header reaches `pre_request`, which leaves those with an underscore out, as "drop" would: but "drop" would lose
#: an Idempotency_Key without a word.
header_map = "dangerous"


def pre_request(_worker: object, request: Any) -> None:
    """Before header lines become WSGI variables, which cannot tell two of them from one with a comma."""
    request.headers = distinct(request.headers)


try:
    _settings = Settings.from_environment(os.environ)
except BadSettings as error:
    sys.exit(f"txn: {error}")


class _Log(Logger):
    """gunicorn's own lines look like all others. (With its setting `logconfig_dict` they would, too, but then it also
    collects for each request what an access log needs: a tenth of the request's CPU.)
    """

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        logging.config.dictConfig(logs.config(_settings.log_level, _settings.log_format))


logger_class = _Log
