"""`gunicorn -c ops/gunicorn.conf.py wsgi:app`: the API."""

import os
import sys

from txn import composition
from txn.errors import BadSettings
from txn.settings import Settings

try:
    app = composition.api(Settings.from_environment(os.environ))
except BadSettings as error:
    sys.exit(f"txn: {error}")
