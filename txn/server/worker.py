"""gunicorn's worker class for the API: `worker_class = "txn.server.worker.Worker"`."""

import faulthandler
import logging
import resource
import sys
import time
from types import FrameType
from typing import Any

import gevent
from gevent.event import Event
from gunicorn.errors import AppImportError
from gunicorn.workers.ggevent import GeventWorker

from txn.server.connection import Connection
from txn.server.places import Places

log = logging.getLogger(__name__)

#: A process that has not ended so long after its grace is ended, whatever it waits for.
_PATIENCE_S = 5
#: Greenlets that could all go on at once do so for no longer than this before new data is looked for.
_SLICE_S = 0.001
#: How often what is overdue is looked for.
_LOOK_S = 0.5
#: Connections taken at once, before those that are there go on.
_AT_ONCE = 8
#: Open files of a process beside its clients' connections.
_OTHER_FILES = 200
#: Settings of gunicorn that would be ignored, and what they are if nobody has set them.
_UNKNOWN = {"certfile": None, "keyfile": None, "proxy_protocol": "off", "accesslog": None, "max_requests": 0}


class Worker(GeventWorker):
    """One greenlet a connection, as many as `worker_connections`; `keepalive` is how long one may be idle."""

    def init_process(self) -> None:
        """See gunicorn's `Worker`. Raises: AppImportError, for a setting that would be ignored: gunicorn ends then."""
        for name, ordinary in _UNKNOWN.items():
            if getattr(self.cfg, name) != ordinary:
                raise AppImportError(f"txn: gunicorn's setting {name} is not supported: leave it out")
        _allow_files(self.worker_connections + _OTHER_FILES)
        self._told = Event()
        super().init_process()

    def run(self) -> None:
        """Until told to end."""
        gevent.setswitchinterval(_SLICE_S)
        self._places = Places(self.worker_connections, self.cfg.keepalive)
        acceptors = [gevent.spawn(self._accept, listener) for listener in self.sockets]
        while self.alive:
            self.notify()
            self._places.close_overdue()
            self._told.wait(_LOOK_S)
        gevent.killall(acceptors)
        for listener in self.sockets:
            listener.close()
        self._drain()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM: answer what has begun, close the rest at once."""
        self._must_end()
        self.alive = False
        self._told.set()

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """SIGINT, SIGQUIT: end."""
        self._must_end()
        super().handle_quit(sig, frame)

    def _must_end(self) -> None:
        # Beside Python, so that neither a thread that waits for ever nor a lock keeps it from happening.
        faulthandler.dump_traceback_later(self.cfg.graceful_timeout + _PATIENCE_S, exit=True)

    def _drain(self) -> None:
        end_s = time.monotonic() + self.cfg.graceful_timeout
        while self._places.taken and time.monotonic() < end_s:
            for connection in self._places.taken:
                connection.closes = True
            self._places.close_idle()
            self._places.close_overdue()
            self.notify()
            gevent.sleep(0.05)
        gevent.killall([connection.greenlet for connection in self._places.taken], timeout=1)

    def _accept(self, listener: Any) -> None:
        listener.settimeout(0)
        hub, at_once = gevent.get_hub(), 1 if self.cfg.workers > 1 else _AT_ONCE
        shared = self._shared_variables(listener)
        readable = hub.loop.io(listener.fileno(), 1)
        while True:
            hub.wait(readable)
            try:
                for _ in range(at_once):
                    accepted = listener.accept()
                    while not self._places.make_room():
                        gevent.sleep(0.01)  # the application works for all of them
                    self._begin(accepted, shared)
            except BlockingIOError:  # another process was quicker
                pass
            except OSError as error:
                log.warning("a connection could not be accepted", extra={"detail": error.strerror})
                self._places.shed()
                gevent.sleep(0.1)

    def _begin(self, accepted: tuple[Any, Any], shared: dict[str, Any]) -> None:
        (client, address), own = accepted, shared.copy()
        if isinstance(address, tuple):
            own["REMOTE_ADDR"], own["REMOTE_PORT"] = address[0], str(address[1])
        connection = Connection(client, own["REMOTE_ADDR"], self.wsgi, own)
        self._places.taken.add(connection)
        connection.greenlet.link(lambda _greenlet: self._end(connection))
        connection.greenlet.start()

    def _end(self, connection: Connection) -> None:
        self._places.taken.discard(connection)
        connection.close()

    def _shared_variables(self, listener: Any) -> dict[str, Any]:
        name = listener.getsockname()
        host, port = name[:2] if isinstance(name, tuple) else ("localhost", 80)
        return {
            "REMOTE_ADDR": "",
            "SCRIPT_NAME": "",
            "SERVER_NAME": host,
            "SERVER_PORT": str(port),
            "txn.ending": lambda: not self.alive,
            "wsgi.errors": sys.stderr,
            "wsgi.input_terminated": True,
            "wsgi.multiprocess": self.cfg.workers > 1,
            "wsgi.multithread": True,
            "wsgi.run_once": False,
            "wsgi.url_scheme": "http",
            "wsgi.version": (1, 0),
        }


def _allow_files(count: int) -> None:
    """As many as the system lets us have, if it is set to fewer than are needed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
