import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from txn.cli.connect import without_secrets
from txn.errors import BadSettings
from txn.redis_places import split_cluster_url, split_sentinel_url
from txn.settings import Settings
from txn.store.connection import connect

ROOT = Path(__file__).parents[2]


def refused(url: str) -> str:
    with pytest.raises(BadSettings) as caught:
        Settings.from_environment({"TXN_REDIS_URL": url})
    text = str(caught.value)
    assert text.startswith("TXN_REDIS_URL")
    assert "\n" not in text
    assert "hunter2" not in text
    return text


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("redis://h/0?family=0", "family"),
        ("redis://h/0?foo=bar", "foo"),
        ("redis://h/0?foo", "foo"),
        ("redis://h/0?timeout=1", "timeout"),
        ("redis://h/0?host=other", "host"),
        ("redis://h/0?path=/x", "path"),
        ("redis://h/0?retry_on_error=x", "retry_on_error"),
        ("redis://h/0?encoding=utf-16", "encoding"),
        ("redis://h/0?parser_class=x", "parser_class"),
        ("redis://h/0?socket_timeout=abc", "socket_timeout must be seconds"),
        ("redis://h/0?socket_timeout=", "socket_timeout must be seconds"),
        ("redis://h/0?socket_timeout=nan", "socket_timeout must be seconds"),
        ("redis://h/0?socket_timeout=-1", "socket_timeout must be seconds"),
        ("redis://h/0?protocol=4", "protocol must be 2 or 3"),
        ("redis://h/0?health_check_interval=1.5", "health_check_interval must be whole seconds"),
        ("redis://h/0?socket_keepalive=perhaps", "socket_keepalive must be true or false"),
        ("redis://h/0?client_name=a%20b", "client_name"),
        ("redis://h?db=x", "db must be a number"),
        ("redis://h?db=-1", "db must be a number"),
        ("redis://h?db=1&db=2", "twice"),
        ("redis://h/0?db=1", "twice"),
        ("redis://h/x", "a database number"),
        ("redis://h/1/2", "a database number"),
        ("redis://h/-1", "a database number"),
        ("redis://h/0#x", "#"),
        ("redis://h/0?ssl_ca_certs=/ca.pem", "ssl_ca_certs needs rediss://"),
        ("rediss://h/0?ssl_cert_reqs=maybe", "ssl_cert_reqs must be none, optional or required"),
        ("rediss://h/0?ssl_min_version=TLSv1.3", "ssl_min_version must be 771"),
        ("rediss://h/0?ssl_ciphers=nonsense", "ssl_ciphers"),
        ("rediss://h/0?ssl_exclude_verify_flags=X", "ssl_exclude_verify_flags"),
        ("rediss://h/0?ssl_keyfile=/key.pem", "ssl_certfile"),
        ("rediss://h/0?ssl_validate_ocsp=true", "ssl_validate_ocsp"),
        ("REDIS://h/0", "redis://, in lower case"),
        ("Rediss://h/0", "rediss://, in lower case"),
        ("redis:/h/0", "must be redis://"),
        ("redis://:hunter2@/0", "must be redis://"),
        ("redis://h:0/0", "must be redis://"),
        ("redis://h /0", "must be redis://"),
        ("redis://[h]/0", "must be redis://"),
        ("redis://::1/0", "must be redis://"),
        ("redis://h,other/0", "must be redis://"),
        ("redis://u:hunter2/x@h/0", "%2F (/)"),
        ("redis://u:12/hunter2@h/0", "%2F (/)"),
        ("redis://u:hunter2?x@h/0", "%3F (?)"),
        ("redis://u:hunter2#x@h/0", "%23 (#)"),
        ("redis://h/0?password=a&hunter2=b", "is unknown: remove it"),
        ("redis://h/0?password=a&hunter2", "is unknown: remove it"),
        ("unix://run/redis.sock", "unix:///run/redis.sock"),
        ("unix:///", "unix:///run/redis.sock"),
        ("unix:///run/redis.sock?socket_keepalive=1", "not for unix://"),
        ("unix:///run/redis.sock?db=x", "db must be a number"),
        ("unix:///run/redis.sock?ssl_cert_reqs=none", "needs rediss://"),
    ],
)
def test_what_the_client_cannot_take_is_refused_at_start_and_named(url: str, named: str) -> None:
    assert named in refused(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "redis://h/",
        "redis://h:6380/15",
        "redis://h/0/",
        "redis://[::1]:6379/0",
        "redis://[fe80::1%25eth0]/0",
        "redis://redis_1/0",
        f"redis://:{quote('p@/?#:%&', safe='')}@h/0",
        "redis://user:p@ss@h/0",
        "redis://h?db=3",
        "redis://h?username=u&password=p%26q",
        "redis://h?client_name=txn&health_check_interval=30&socket_keepalive=no&max_connections=1",
        "redis://h?socket_timeout=0.5&socket_connect_timeout=1&retry_on_timeout=True&decode_responses=1&protocol=3",
        "rediss://h?ssl_cert_reqs=none&ssl_check_hostname=false",
        "rediss://h?ssl_cert_reqs=required&ssl_ca_certs=/ca.pem&ssl_ca_path=/certs&ssl_ca_data=PEM",
        "rediss://h?ssl_certfile=/c.pem&ssl_keyfile=/k.pem&ssl_password=p",
        "rediss://h?ssl_min_version=772&ssl_ciphers=ECDHE%2BAESGCM",
        "rediss://h?ssl_exclude_verify_flags=VERIFY_X509_STRICT,%20VERIFY_X509_PARTIAL_CHAIN",
        "unix:///run/redis.sock",
        "unix://user:p@/run/redis.sock?db=2",
    ],
)
def test_what_is_allowed_makes_a_connection(url: str) -> None:
    assert Settings.from_environment({"TXN_REDIS_URL": url}).redis_url == url
    with connect(url, timeout_ms=1_000) as client:
        for _ in range(2):
            connection = client.connection_pool.make_connection()
            assert connection.socket_timeout == 1.0


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "gunicorn", "-c", "ops/gunicorn.conf.py", "-b", "127.0.0.1:0", "wsgi:app"],
        ["-m", "dramatiq", "txn.worker"],
        ["-m", "txn", "status"],
    ],
    ids=["API", "worker", "command line"],
)
def test_api_worker_and_command_line_say_it_in_a_line_and_end(command: list[str]) -> None:
    environment = os.environ | {"TXN_REDIS_URL": "redis://u:hunter2@h/0?family=0"}
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode not in (0, -9)
    assert "TXN_REDIS_URL: the option family is unknown" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis+sentinel://a:1,b:2", "name the master"),
        ("redis+sentinel://a:1,b:2/", "name the master"),
        ("redis+sentinel://a:1,b:2/0/1/2", "a database number"),
        ("redis+sentinel://a:1,b:2/na me", "name the master"),
        ("redis+sentinel://a:1,b:0/name", "host:port with commas"),
        ("redis+sentinel://a:1,/name", "host:port with commas"),
        ("redis+sentinel://u:hunter2@a:1,v:hunter2@b:2/name", "name sentinels as"),
        ("redis+sentinel://a:1/name/x", "a database number"),
        ("redis+sentinel://a:1/name?ssl_ca_certs=/ca.pem", "ssl_ca_certs needs rediss"),
        ("redis+sentinel://a:1/name?foo=bar", "foo"),
        ("Redis+Sentinel://a:1/name", "begin with redis+sentinel://, in lower case"),
        ("redis+cluster://a:1,b:0", "nodes of a cluster as host:port with commas"),
        ("redis+cluster://", "nodes of a cluster as host:port"),
        ("redis+cluster://a:1,b:2/1", "only database 0"),
        ("redis+cluster://a:1/name", "only database 0"),
        ("redis+cluster://a:1?db=1", "db must be 0"),
        ("redis+cluster://u:hunter2@a:1,v:hunter2@b:2", "name nodes as"),
        ("redis+cluster://a:1?ssl_ca_certs=/ca.pem", "ssl_ca_certs needs rediss"),
        ("REDISS+cluster://a:1", "begin with rediss+cluster://, in lower case"),
    ],
)
def test_what_sentinels_and_clusters_cannot_be_named_by_is_refused(url: str, said: str) -> None:
    assert said in refused(url)


def test_sentinels_and_the_server_behind_them_are_taken_apart() -> None:
    url = "rediss+sentinel://us%40er:hunter2@a.example,[::1]:5000,10.0.0.1:26380/my-master/3?ssl_ca_certs=/ca.pem"
    Settings(redis_url=url)
    found = split_sentinel_url(url)
    assert found is not None
    assert found.sentinels == [("a.example", 26379), ("::1", 5000), ("10.0.0.1", 26380)]
    assert (found.name, found.server) == ("my-master", "rediss://us%40er:hunter2@a.example/3?ssl_ca_certs=/ca.pem")
    assert without_secrets(url) == "rediss+sentinel://a.example:26379,::1:5000,10.0.0.1:26380/my-master"
    assert split_sentinel_url("redis://a:1/0") is None


def test_the_nodes_of_a_cluster_are_taken_apart() -> None:
    url = "rediss+cluster://us%40er:hunter2@a.example,[::1]:5000/?ssl_ca_certs=/ca.pem&db=0"
    Settings(redis_url=url, prefix="{txn}:")
    found = split_cluster_url(url)
    assert found is not None
    assert found.nodes == [("a.example", 6379), ("::1", 5000)]
    assert found.server == "rediss://us%40er:hunter2@a.example/?ssl_ca_certs=/ca.pem&db=0"
    assert without_secrets(url) == "rediss+cluster://a.example:6379,::1:5000"
    assert split_cluster_url("redis://a:1/0") is None


def test_in_a_cluster_all_keys_are_in_one_slot_or_it_is_refused() -> None:
    url = {"TXN_REDIS_URL": "redis+cluster://a:1,b:2"}
    assert Settings.from_environment(url).prefix == "{txn}:"
    assert Settings.from_environment(url | {"TXN_PREFIX": "pay:{a}:"}).prefix == "pay:{a}:"
    for prefix in ("txn:", "txn:{}:", "{txn:", "txn}:", "{}{txn}:"):
        with pytest.raises(BadSettings, match="spreads our keys over a cluster: put a name in braces"):
            Settings.from_environment(url | {"TXN_PREFIX": prefix})


def test_what_enters_sentinels_is_not_shown() -> None:
    settings = Settings(sentinel_username="hunter2", sentinel_password="hunter2")
    assert "hunter2" not in f"{settings!r} {settings.sentinel_access!r}"
