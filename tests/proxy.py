"""A TCP proxy that loses answers on purpose."""

import contextlib
import socket
import ssl
import threading
from typing import Self

from ops.ports import free_port


class CuttingProxy:
    """Forwards to `target_port`.

    Between `cut_answers` and `mend`, requests pass and their answers do not: the connection is closed instead. After
    `refuse` nobody gets through until `mend`. Between `swallow` and `mend` what is sent is taken and goes nowhere, and
    a connection that it happened to is lost for ever.
    """

    def __init__(self, target_port: int) -> None:
        self.port = free_port()
        self._target = target_port
        self._cut_when: bytes | None = None
        self._refusing = self._swallowing = False
        self.cuts = 0
        self.was_cut = threading.Event()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._listener.close()
        self._close_all()

    def cut_answers(self, to_requests_with: bytes = b"") -> None:
        """From now on, close the connection in place of answering a request that has these bytes in it."""
        self.was_cut.clear()
        self._cut_when = to_requests_with

    def lead_to(self, target_port: int) -> None:
        """From now on new connections go there; those that are there stay where they are."""
        self._target = target_port

    def refuse(self) -> None:
        """Close every connection and every new one."""
        self._refusing = True
        self._close_all()

    def swallow(self) -> None:
        """From now on take what is sent, and never answer."""
        self._swallowing = True

    def mend(self) -> None:
        """Forward faithfully again."""
        self._cut_when, self._refusing, self._swallowing = None, False, False

    def _close_all(self) -> None:
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refusing:
                client.close()
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            client.close()
            return
        self._open |= {client, server}
        cutting = threading.Event()
        threading.Thread(target=self._answers, args=(server, client, cutting), daemon=True).start()
        is_lost = False
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                is_lost = is_lost or self._swallowing
                if is_lost:
                    continue
                if self._cut_when is not None and self._cut_when in data:
                    cutting.set()
                server.sendall(data)
        self._drop(client, server)

    def _answers(self, server: socket.socket, client: socket.socket, cutting: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if cutting.is_set():
                    self.cuts += 1
                    self.was_cut.set()  # first: whoever sees the end of the connection may ask
                    self._drop(client, server)
                    return
                client.sendall(data)
        self._drop(client, server)

    def _drop(self, *ends: socket.socket) -> None:
        for one in ends:
            self._open.discard(one)
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


class TlsProxy(CuttingProxy):
    """The same for clients that speak TLS. `certificate`: PEM with a certificate and its key."""

    def __init__(self, target_port: int, certificate: str) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        super().__init__(target_port)

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            super()._serve(self._context.wrap_socket(client, server_side=True))
