import contextlib
import errno
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from ops.ports import free_port
from ops.redis_server import RedisServer
from tests.posting.raw_server import CERTIFICATE, full_backlog
from tests.proxy import CuttingProxy, TlsProxy
from txn.errors import StoreRefuses
from txn.store.connection import connect
from txn.store.database import unavailable


def met(url: str, call: Callable[[redis.Redis], object] = redis.Redis.ping) -> str:
    """What is said of a failed call: one line that shows neither where it went nor with which password."""
    with connect(url, timeout_ms=1_000) as client, pytest.raises(redis.RedisError) as caught:
        call(client)
    text = str(unavailable(caught.value))
    assert "\n" not in text
    assert len(text) <= 300
    for secret in ("127.0.0.1", "::1", "hunter2", "nowhere", *(part for part in url.split("/") if part.isdigit())):
        assert secret not in text
    return text


@contextlib.contextmanager
def started(folder: Path, flavour: str = "valkey") -> Iterator[RedisServer]:
    server = RedisServer(free_port(), folder, flavour).start()
    try:
        yield server
    finally:
        server.kill()


@pytest.fixture
def tls(valkey: RedisServer) -> Iterator[TlsProxy]:
    with TlsProxy(valkey.port, CERTIFICATE) as proxy:
        yield proxy


def as_user(server: RedisServer, *rights: str) -> str:
    with redis.Redis(port=server.port) as admin:
        admin.execute_command("ACL", "SETUSER", "limited", "reset", "on", ">hunter2", *rights)
    return f"redis://limited:hunter2@127.0.0.1:{server.port}/0"


# --- connecting


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_a_closed_port(host: str) -> None:
    assert "nothing listens there: start it, or check host and port" in met(f"redis://u:hunter2@{host}:{free_port()}/0")


def test_no_such_host() -> None:
    assert "no such host: check the host in TXN_REDIS_URL" in met("redis://nowhere.invalid:6379/0")


def test_a_host_that_does_not_answer() -> None:
    with full_backlog() as port:
        assert "connecting took too long" in met(f"redis://127.0.0.1:{port}/0")


def test_a_server_that_closes_every_connection(valkey: RedisServer) -> None:
    with CuttingProxy(valkey.port) as proxy:
        proxy.refuse()
        assert "it closed the connection: see its log" in met(f"redis://127.0.0.1:{proxy.port}/0")


def test_what_is_not_redis() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with contextlib.suppress(OSError):
                peer, _ = listener.accept()
                with peer:
                    peer.recv(100)
                    peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        assert "what answers there is not Redis" in met(f"redis://127.0.0.1:{listener.getsockname()[1]}/0")


def test_no_socket(tmp_path: Path) -> None:
    assert "its socket does not exist" in met(f"unix://{tmp_path}/redis.sock")
    (tmp_path / "stale.sock").touch()
    assert "nothing listens there" in met(f"unix://{tmp_path}/stale.sock")


def test_a_server_with_as_many_clients_as_it_takes(tmp_path: Path) -> None:
    with started(tmp_path) as server, redis.Redis(port=server.port) as admin:
        admin.config_set("maxclients", 1)
        # It says so and closes at once: who sends a command meanwhile may learn of the closing only.
        assert re.search(
            r"too many clients: raise its maxclients|closed the connection: .*too many clients", met(server.url)
        )


# --- TLS


def test_a_certificate_of_an_unknown_authority(tls: TlsProxy) -> None:
    said = met(f"rediss://127.0.0.1:{tls.port}/0")
    assert "its certificate is not trusted: name the file of the CA that has signed it with ssl_ca_certs" in said


def test_a_certificate_for_another_name(tls: TlsProxy) -> None:
    said = met(f"rediss://localhost:{tls.port}/0?ssl_ca_certs={CERTIFICATE}")
    assert "its certificate is for another name" in said


def test_a_certificate_that_fits_is_taken(tls: TlsProxy) -> None:
    with connect(f"rediss://127.0.0.1:{tls.port}/0?ssl_ca_certs={CERTIFICATE}", timeout_ms=30_000) as client:
        assert client.ping()


def test_a_ca_file_that_is_not_there(tls: TlsProxy, tmp_path: Path) -> None:
    said = met(f"rediss://127.0.0.1:{tls.port}/0?ssl_ca_certs={tmp_path}/ca.pem")
    assert "a file in TXN_REDIS_URL does not exist, or this user may not read it: check ssl_ca_certs" in said
    said = met(f"rediss://127.0.0.1:{tls.port}/0?ssl_ca_certs={CERTIFICATE}&ssl_certfile={tmp_path}/c.pem")
    assert "a file in TXN_REDIS_URL does not exist" in said


def test_a_ca_file_without_a_certificate(tls: TlsProxy, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate\n")
    said = met(f"rediss://127.0.0.1:{tls.port}/0?ssl_ca_certs={tmp_path}/ca.pem")
    assert "a file that TXN_REDIS_URL names holds no certificate" in said


def test_tls_to_a_plain_port(valkey: RedisServer) -> None:
    assert "its port does not speak TLS: use redis://" in met(f"rediss://127.0.0.1:{valkey.port}/0")


def test_no_tls_to_a_port_that_wants_it(tls: TlsProxy) -> None:
    assert "wants TLS (rediss://)" in met(f"redis://127.0.0.1:{tls.port}/0")


@pytest.mark.parametrize(("code", "said"), [(9, "not valid yet"), (10, "has expired"), (64, "for another address")])
def test_a_certificate_that_does_not_hold(code: int, said: str) -> None:
    verdict = ssl.SSLCertVerificationError(1, "certificate verify failed")
    verdict.verify_code = code
    error = redis.ConnectionError("Error 1 connecting to 10.1.2.3:6379")
    error.__context__ = verdict
    assert said in str(unavailable(error))


@pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.EHOSTUNREACH])
def test_no_way_to_the_host(number: int) -> None:
    error = redis.ConnectionError("Error connecting to 10.1.2.3:6379")
    error.__context__ = OSError(number, "unreachable")
    assert "its host cannot be reached" in str(unavailable(error))


def test_too_many_open_files() -> None:
    error = redis.ConnectionError("Error 24 connecting to 10.1.2.3:6379")
    error.__context__ = OSError(errno.EMFILE, "Too many open files")
    assert "this process has too many open files" in str(unavailable(error))


# --- who is asking


def test_a_wrong_password(server: RedisServer) -> None:
    as_user(server, "~*", "+@all")
    said = met(f"redis://limited:nowhere@127.0.0.1:{server.port}/0")
    assert said == "Redis refuses the credentials of TXN_REDIS_URL: check user and password"
    assert "refuses the credentials" in met(f"redis://unknown:hunter2@127.0.0.1:{server.port}/0")


def test_a_password_that_the_server_does_not_ask_for(server: RedisServer) -> None:
    assert "leave the password out" in met(f"redis://:hunter2@127.0.0.1:{server.port}/0")


def test_no_password_for_a_server_that_wants_one(tmp_path: Path) -> None:
    with started(tmp_path) as server, redis.Redis(port=server.port) as admin:
        admin.config_set("requirepass", "hunter2")
        assert "write user and password into TXN_REDIS_URL" in met(server.url)


def test_a_user_who_may_not(server: RedisServer) -> None:
    said = met(as_user(server, "~*", "+@all", "-set"), lambda client: client.set("a", 1))
    assert "does not allow this to the user of TXN_REDIS_URL: allow it (ACL SETUSER); txn doctor names" in said


def test_a_database_that_there_is_not(server: RedisServer) -> None:
    assert "no database of that number: check the number at the end" in met(f"redis://127.0.0.1:{server.port}/99999")


# --- what it says


def test_a_replica_takes_no_writes_within_a_script_and_outside(server: RedisServer, tmp_path: Path) -> None:
    flavour = "redis6" if "redis6" in str(server._log) else "valkey"
    calls: list[Callable[[redis.Redis], object]] = [
        lambda client: client.set("a", 1),
        lambda client: client.eval("return redis.call('SET', 'a', 1)", 0),
    ]
    with started(tmp_path, flavour) as replica:
        with redis.Redis(port=replica.port) as admin:
            admin.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))
        for call in calls:
            with connect(replica.url, timeout_ms=30_000) as client, pytest.raises(redis.RedisError) as caught:
                call(client)
            ours = unavailable(caught.value)
            assert isinstance(ours, StoreRefuses)
            assert str(ours).startswith("Redis takes no writes: ")
            assert "read only replica" in str(ours)


def test_a_node_of_a_cluster_shows_no_address() -> None:
    ours = unavailable(redis.exceptions.MovedError("1234 10.1.2.3:6379"))
    assert isinstance(ours, StoreRefuses)
    assert "10.1.2.3" not in str(ours)
    assert "redis+cluster://" in str(ours)


def test_keys_on_their_way_to_another_node_show_no_address() -> None:
    for error in (redis.exceptions.AskError("1234 10.1.2.3:6379"), redis.exceptions.TryAgainError("keys are moving")):
        assert (
            str(unavailable(error)) == "Redis is moving our keys to another node of its cluster: wait until that ends"
        )


def test_a_server_that_is_loading() -> None:
    assert str(unavailable(redis.BusyLoadingError("loading"))) == "Redis is still reading its data from disk: wait"
