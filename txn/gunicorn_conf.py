"""gunicorn's settings for the API: `gunicorn -c python:txn.gunicorn_conf txn.wsgi:app`.

`-b` overrides the address, WEB_CONCURRENCY the number of processes.
"""

import logging.config
import os
import sys
from collections.abc import Iterable
from typing import Any

from gunicorn.config import Config
from gunicorn.glogging import Logger

from txn.addresses import is_loopback
from txn.api.door import read_keys
from txn.errors import BadSettings
from txn.logs import setup as logs
from txn.settings import Settings

bind = "127.0.0.1:8000"
#: One greenlet a connection, and none of them keeps the others out.
worker_class = "txn.server.worker.Worker"
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


def on_starting(server: Any) -> None:
    """Before gunicorn binds. Exits if strangers could reach an API without keys, or the keys are wrong."""
    _refuse_to_be_open(server.cfg.address)
    try:
        if _settings.api_keys_file:
            read_keys(_settings.api_keys_file)
    except BadSettings as error:
        sys.exit(f"txn: {error}")


def when_ready(server: Any) -> None:
    """The same for sockets that somebody else has bound."""
    _refuse_to_be_open([listener.sock.getsockname() for listener in server.LISTENERS])


def _refuse_to_be_open(addresses: Iterable[Any]) -> None:
    if not _settings.is_open or _settings.allow_open:
        return
    for address in addresses:
        if isinstance(address, tuple) and not is_loopback(address[0]):
            sys.exit(
                f"txn: {address[0]} can be reached from other machines, and the API has no keys: set TXN_API_KEYS_FILE "
                "(`txn keys create` makes it), bind it to 127.0.0.1, or set TXN_ALLOW_OPEN=1 if only clients reach it"
            )
