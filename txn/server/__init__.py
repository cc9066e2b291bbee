"""The front door: a gunicorn worker that no single connection can block. It knows nothing of transactions."""
