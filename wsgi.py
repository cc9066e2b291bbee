"""`gunicorn -c ops/gunicorn.conf.py wsgi:app`: the API."""

import logging
import os
import sys

from txn import composition
from txn.errors import BadSettings
from txn.settings import Settings

# gunicorn sets up its own loggers only; what operators do is said at INFO, and would be lost.
logging.basicConfig(level=logging.INFO, format="[%(asctime)s] [%(process)d] [%(levelname)s] %(name)s: %(message)s")

try:
    app = composition.api(Settings.from_environment(os.environ))
except BadSettings as error:
    sys.exit(f"txn: {error}")
