"""`dramatiq txn.worker --processes P --threads T`: the worker processes."""

import os
import sys

import dramatiq

from txn import composition
from txn.errors import BadSettings
from txn.logs.setup import configure
from txn.settings import Settings

try:
    settings = Settings.from_environment(os.environ)
    configure(settings.log_level, settings.log_format)
    broker, deliver = composition.worker(settings)
except BadSettings as error:
    sys.exit(f"txn: {error}")
dramatiq.set_broker(broker)
