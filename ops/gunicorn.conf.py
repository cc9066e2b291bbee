"""gunicorn's settings for the API. `-b` overrides the address."""

bind = "127.0.0.1:8000"
worker_class = "gthread"
workers = 2
threads = 16
#: Clients keep their connections; a new one for each submit would cost more than the submit.
keepalive = 30
graceful_timeout = 10
#: A control socket in a fixed place would be taken away by a second instance on the same machine.
control_socket_disable = True
#: The rejected, not the accepted: a line per request costs more than the request.
accesslog = None
errorlog = "-"
