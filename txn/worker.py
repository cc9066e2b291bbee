"""`dramatiq txn.worker --processes P --threads T`: the worker processes."""

import logging
import os
import sys

import dramatiq

from txn.composition.worker import open_worker
from txn.errors import BadSettings
from txn.logs.setup import configure
from txn.settings import Settings, not_read

try:
    settings = Settings.from_environment(os.environ)
    configure(settings.log_level, settings.log_format, aside=True, sentry_dsn=settings.sentry_dsn)
    for sentence in not_read(os.environ):
        logging.getLogger("txn.settings").warning(sentence)
    broker, deliver = open_worker(settings)
except BadSettings as error:
    sys.exit(f"txn: {error}")
dramatiq.set_broker(broker)
