"""`gunicorn -c python:txn.gunicorn_conf txn.wsgi:app`: the API."""

import logging
import os
import sys

from txn.composition.api import open_api
from txn.errors import BadSettings
from txn.logs.setup import configure
from txn.settings import Settings, not_read

try:
    settings = Settings.from_environment(os.environ)
    configure(settings.log_level, settings.log_format, sentry_dsn=settings.sentry_dsn)
    for sentence in not_read(os.environ):
        logging.getLogger("txn.settings").warning(sentence)
    app = open_api(settings)
except BadSettings as error:
    sys.exit(f"txn: {error}")
