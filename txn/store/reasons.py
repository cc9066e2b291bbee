"""Why a call to Redis failed and what to do about it, in a line without addresses or credentials.

The client wraps what the system and TLS have said, or forgets to: it is looked for underneath.
"""

import errno
import re
import socket
import ssl
from collections.abc import Iterator

import redis

from txn.store.agreement import OtherPartitions
from txn.store.asking import NoPrimary
from txn.store.replication import NotReplicated

LOADING = "Redis is still reading its data from disk: wait"
_CLOSED = "it closed the connection: see its log (too many clients?), and whether its port wants TLS (rediss://)"
_NO_TLS = "its port does not speak TLS: use redis://, or the port that does"
_NO_ROUTE = "its host cannot be reached: check the host in TXN_REDIS_URL, and the network"
_TOO_SLOW = "connecting took too long: check host and port in TXN_REDIS_URL, and the firewalls in between"

_BY_NUMBER = {
    errno.ECONNREFUSED: "nothing listens there: start it, or check host and port in TXN_REDIS_URL",
    errno.ENETUNREACH: _NO_ROUTE,
    errno.EHOSTUNREACH: _NO_ROUTE,
    errno.ENETDOWN: _NO_ROUTE,
    errno.EHOSTDOWN: _NO_ROUTE,
    errno.EADDRNOTAVAIL: _NO_ROUTE,
    errno.EAFNOSUPPORT: _NO_ROUTE,
    errno.ETIMEDOUT: _TOO_SLOW,
    errno.ECONNRESET: _CLOSED,
    errno.ECONNABORTED: _CLOSED,
    errno.EPIPE: _CLOSED,
    errno.EMFILE: "this process has too many open files: raise its limit (ulimit -n)",
    errno.ENFILE: "this machine has too many open files: raise its limit",
}
_FILE_ERRORS = frozenset({errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR})

#: X509_V_ERR_..., as OpenSSL numbers them.
_BY_VERDICT = {
    9: "its certificate is not valid yet: check the clocks",
    10: "its certificate has expired: renew it",
    62: "its certificate is for another name: use that name in TXN_REDIS_URL",
    64: "its certificate is for another address: use that name in TXN_REDIS_URL",
}
_NOT_TRUSTED = "its certificate is not trusted: name the file of the CA that has signed it with ssl_ca_certs"


def reason(error: redis.RedisError) -> str:
    """One line, at most 300 characters. What the server has said is in it only where that cannot be a credential."""
    if isinstance(error, NotReplicated):
        return f"Redis has not replicated this: {error}"
    if isinstance(error, OtherPartitions):
        return str(error)
    if isinstance(error, NoPrimary):
        return f"Redis has no primary: {error}"
    if isinstance(error, redis.AuthenticationError | redis.exceptions.AuthenticationWrongNumberOfArgsError):
        return _credentials(str(error))
    if isinstance(error, redis.exceptions.NoPermissionError):
        do = "allow it (ACL SETUSER); txn doctor names all that is missing"
        return f"Redis does not allow this to the user of TXN_REDIS_URL: {do}: {_said(error)[:100]}"
    if isinstance(error, redis.BusyLoadingError):
        return LOADING
    if isinstance(error, redis.TimeoutError) and "connecting" not in str(error):
        return "Redis did not answer in time"
    if isinstance(error, redis.ConnectionError | redis.TimeoutError | redis.exceptions.InvalidResponse):
        return f"Redis cannot be reached: {_connection(error)}"
    if "DB index is out of range" in str(error):
        return "Redis has no database of that number: check the number at the end of TXN_REDIS_URL"
    return f"Redis answered with an error: {_said(error)}"


def refusal(error: redis.RedisError) -> str:
    """The same for an error with which a server refuses writes."""
    if isinstance(error, redis.exceptions.MovedError):  # it names the address
        return (
            "Redis is a cluster, and this node does not hold our keys: set TXN_REDIS_URL=redis+cluster://host:port,..."
        )
    if isinstance(error, redis.exceptions.AskError | redis.exceptions.TryAgainError):
        return "Redis is moving our keys to another node of its cluster: wait until that ends"
    return f"Redis takes no writes: {_said(error)}"


def _said(error: Exception) -> str:
    """Its first line; within a script Redis 6.2 puts the place before what matters."""
    lines = re.sub(r"^Error running script.*? -(?=[A-Z]+ )", "", str(error)).splitlines()
    return lines[0][:200] if lines and lines[0].strip() else type(error).__name__


def _credentials(text: str) -> str:
    if "required" in text.lower():
        return "Redis wants credentials: write user and password into TXN_REDIS_URL"
    if "without any password" in text or "no password is set" in text:
        return "Redis has no password for the user of TXN_REDIS_URL: leave the password out, or set one there"
    return "Redis refuses the credentials of TXN_REDIS_URL: check user and password"


def _connection(error: redis.RedisError) -> str:
    for cause in _causes(error):
        if isinstance(cause, OSError) and (found := _system(cause, str(error))):
            return found
    text = str(error)
    if isinstance(error, redis.TimeoutError):
        return _TOO_SLOW
    if "max number of clients" in text:
        return "it has too many clients: raise its maxclients"
    if isinstance(error, redis.exceptions.InvalidResponse) or "Protocol error" in text:
        return "what answers there is not Redis, or wants TLS (rediss://): check the port in TXN_REDIS_URL"
    # "not ready", "has data": it has said something that nobody asked for, such as why it closes.
    return _CLOSED if re.search("closed|not ready|has data", text, re.IGNORECASE) else "the connection failed"


def _system(error: OSError, text: str) -> str:
    if isinstance(error, socket.gaierror):
        return "no such host: check the host in TXN_REDIS_URL, and the name server"
    if isinstance(error, ssl.SSLCertVerificationError):
        return _BY_VERDICT.get(error.verify_code, _NOT_TRUSTED)
    if isinstance(error, ssl.SSLError):
        return _tls(error)
    if isinstance(error, TimeoutError):
        return f"{_TOO_SLOW}; or {_NO_TLS}" if "handshake" in str(error) else _TOO_SLOW
    if error.errno in _FILE_ERRORS:
        if " connecting to /" in text:
            return "its socket does not exist, or this user may not use it: check the path in TXN_REDIS_URL"
        return "a file in TXN_REDIS_URL does not exist, or this user may not read it: check ssl_ca_certs and the like"
    return _BY_NUMBER.get(error.errno or 0, "")


def _tls(error: ssl.SSLError) -> str:
    name, text = error.reason or "", str(error)
    if "ALERT" in name and ("CERTIFICATE" in name or "UNKNOWN_CA" in name or "HANDSHAKE_FAILURE" in name):
        return "it requires a client certificate that it trusts: check ssl_certfile and ssl_keyfile in TXN_REDIS_URL"
    if "NO_CERTIFICATE" in name or "PEM" in text or "KEY_VALUES_MISMATCH" in name:
        return "a file that TXN_REDIS_URL names holds no certificate, or no key for it: check ssl_ca_certs and the like"
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) or "WRONG_VERSION" in name or "RECORD" in name:
        return _NO_TLS
    return f"TLS failed ({name[:60] or type(error).__name__}): check the options in TXN_REDIS_URL"


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or found.__context__
