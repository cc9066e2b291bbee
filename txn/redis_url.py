"""What may stand in TXN_REDIS_URL: looked at when a process starts, because the client looks when it connects."""

import re
import ssl
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

from txn.redis_places import ENCODE, split_cluster_url, split_sentinel_url
from txn.url import AUTHORITY

_MUST = (
    "TXN_REDIS_URL must be redis://, rediss:// or unix:// and a host, with a valid port if there is one; or "
    f"redis+sentinel://host:port,host:port/master-name or redis+cluster://host:port,host:port; {ENCODE}"
)
_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster")
_BOOLEANS = frozenset({"0", "1", "f", "t", "false", "true", "n", "y", "no", "yes"})
_MAX_SECONDS = 86_400

Check = Callable[[str], bool]


def _number(least: float, most: float = 2**31 - 1) -> Check:
    def check(value: str) -> bool:
        return bool(re.fullmatch(r"\d{1,10}(\.\d{1,6})?", value, re.ASCII)) and least <= float(value) <= most

    return check


def _whole(least: int, most: int = 2**31 - 1) -> Check:
    return lambda value: value.isdecimal() and _number(least, most)(value)


def _boolean(value: str) -> bool:
    return value.lower() in _BOOLEANS


def _one_of(*values: str) -> Check:
    return lambda value: value in values


def _any(value: str) -> bool:
    return bool(value)


def _flags(value: str) -> bool:
    return all(flag.strip() in ssl.VerifyFlags.__members__ for flag in value.strip("[]").split(","))


def _ciphers(value: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).set_ciphers(value)
    except (ssl.SSLError, ValueError):
        return False
    return True


#: option -> (which values it may have, and how to say that)
_OPTIONS: dict[str, tuple[Check, str]] = {
    "db": (_whole(0), "a number"),
    "username": (_any, "a name"),
    "password": (_any, "a password"),
    "client_name": (lambda value: bool(re.fullmatch(r"[!-~]+", value)), "a name without spaces"),
    "health_check_interval": (_whole(0, _MAX_SECONDS), "whole seconds"),
    # Taken, and without effect: txn sets its own.
    "socket_timeout": (_number(0.001, _MAX_SECONDS), "seconds"),
    "socket_connect_timeout": (_number(0.001, _MAX_SECONDS), "seconds"),
    "retry_on_timeout": (_boolean, "true or false"),
    "decode_responses": (_boolean, "true or false"),
    "protocol": (_one_of("2", "3"), "2 or 3"),
    "max_connections": (_whole(1), "a number"),
}
_TCP_OPTIONS: dict[str, tuple[Check, str]] = {"socket_keepalive": (_boolean, "true or false")}
_TLS_OPTIONS: dict[str, tuple[Check, str]] = {
    "ssl_cert_reqs": (_one_of("none", "optional", "required"), "none, optional or required"),
    "ssl_check_hostname": (_boolean, "true or false"),
    "ssl_ca_certs": (_any, "a file"),
    "ssl_ca_path": (_any, "a folder"),
    "ssl_ca_data": (_any, "certificates"),
    "ssl_certfile": (_any, "a file"),
    "ssl_keyfile": (_any, "a file"),
    "ssl_password": (_any, "a password"),
    "ssl_min_version": (_one_of("771", "772"), "771 (TLS 1.2) or 772 (TLS 1.3)"),
    "ssl_ciphers": (_ciphers, "ciphers as OpenSSL names them"),
    "ssl_include_verify_flags": (_flags, "names of Python's ssl.VerifyFlags"),
    "ssl_exclude_verify_flags": (_flags, "names of Python's ssl.VerifyFlags"),
}


def check_redis_url(url: str) -> None:
    """Raises: ValueError, naming what is wrong. It shows nothing of the URL but an option's name: it may be secret."""
    scheme = url.partition("://")[0]
    if scheme not in _SCHEMES and scheme.lower() in _SCHEMES:
        raise ValueError(f"TXN_REDIS_URL must begin with {scheme.lower()}://, in lower case")
    cluster = split_cluster_url(url)
    if behind := split_sentinel_url(url) or cluster:
        url, scheme = behind.server, scheme.partition("+")[0]
    try:
        parts = urlsplit(url)
        valid = parts.scheme == scheme and not any(letter.isspace() for letter in url) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or scheme not in ("redis", "rediss", "unix"):
        raise ValueError(_MUST)
    if "#" in url:
        raise ValueError(f"TXN_REDIS_URL must not contain a #; {ENCODE}")
    _check_place(scheme, parts.netloc, parts.path)
    _check_options(scheme, "" if cluster else parts.path, parts.query)
    if cluster and dict(parse_qsl(parts.query)).get("db", "0") != "0":
        raise ValueError("TXN_REDIS_URL: the option db must be 0, because a cluster has only that")


def _check_place(scheme: str, netloc: str, path: str) -> None:
    if scheme == "unix":
        if (netloc and not netloc.endswith("@")) or not path.strip("/"):
            raise ValueError(
                "TXN_REDIS_URL must be unix:// and the whole path of a socket, as in unix:///run/redis.sock"
            )
    elif not AUTHORITY.fullmatch(netloc):
        raise ValueError(_MUST)
    elif not re.fullmatch(r"/?|/[0-9]{1,9}/?", unquote(path)):
        raise ValueError(f"TXN_REDIS_URL may have only a / and a database number after host and port; {ENCODE}")


def _check_options(scheme: str, path: str, query: str) -> None:
    pairs = parse_qsl(query, keep_blank_values=True)
    options = dict(pairs)
    if len(options) < len(pairs):
        raise ValueError("TXN_REDIS_URL has an option twice: give it once")
    if "db" in options and scheme != "unix" and path.strip("/"):
        raise ValueError("TXN_REDIS_URL names its database twice: leave the option db out")
    known = _OPTIONS | ({} if scheme == "unix" else _TCP_OPTIONS) | (_TLS_OPTIONS if scheme == "rediss" else {})
    for name, value in options.items():
        if name not in known:
            raise ValueError(_unknown(scheme, name, known, secret="password" in options or "ssl_password" in options))
        check, what = known[name]
        if not check(value):
            raise ValueError(f"TXN_REDIS_URL: the option {name} must be {what}")
    if "ssl_keyfile" in options and "ssl_certfile" not in options:
        raise ValueError("TXN_REDIS_URL: the option ssl_keyfile needs ssl_certfile")


def _unknown(scheme: str, name: str, known: Mapping[str, object], *, secret: bool) -> str:
    if name in _TLS_OPTIONS:
        return f"TXN_REDIS_URL: the option {name} needs rediss://"
    if name in _TCP_OPTIONS:
        return f"TXN_REDIS_URL: the option {name} is not for {scheme}://"
    # An & in a password makes an option of what is behind it.
    shown = f" {name}" if re.fullmatch(r"[a-z_]{1,40}", name) and not secret else ""
    return f"TXN_REDIS_URL: the option{shown} is unknown: remove it; known are {', '.join(sorted(known))}"
