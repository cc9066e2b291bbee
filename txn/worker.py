"""`dramatiq txn.worker --processes P --threads T`: the worker processes."""

import os
import sys

import dramatiq

from txn import composition
from txn.errors import BadSettings
from txn.settings import Settings

try:
    broker, deliver = composition.worker(Settings.from_environment(os.environ))
except BadSettings as error:
    sys.exit(f"txn: {error}")
dramatiq.set_broker(broker)
