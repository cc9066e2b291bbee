"""gunicorn's settings in a checkout: those of txn/gunicorn_conf.py."""

from txn.gunicorn_conf import *  # noqa: F403  gunicorn reads every name
