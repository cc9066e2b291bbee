"""`gunicorn -c ops/gunicorn.conf.py wsgi:app` in a checkout: the API, as txn/wsgi.py has it."""

from txn.wsgi import app

__all__ = ["app"]
