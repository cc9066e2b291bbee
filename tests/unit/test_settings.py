import pytest
from pydantic import ValidationError

from txn.errors import BadSettings
from txn.memory import limit_of
from txn.misspelt_settings import misspelt
from txn.posting.endpoint import Endpoint
from txn.settings import Settings, not_read


def read(**values: str) -> Settings:
    return Settings.from_environment({f"TXN_{name.upper()}": value for name, value in values.items()})


def refused(**values: str) -> str:
    with pytest.raises(BadSettings) as caught:
        read(**values)
    return str(caught.value)


def test_without_an_environment_the_defaults_fit_together() -> None:
    settings = read()
    assert settings == Settings()
    assert settings.lease_ms >= 3 * settings.posting_timeout_ms + settings.margin_ms
    assert settings.doubt_window_ms >= settings.posting_timeout_ms


def test_the_defaults_are_the_documented_ones() -> None:
    settings = read()
    assert (settings.posting_timeout_ms, settings.margin_ms, settings.lease_ms) == (5_000, 1_000, 20_000)
    assert (settings.doubt_window_ms, settings.grace_ms, settings.max_attempts) == (15_000, 5_000, 8)
    assert (settings.min_backoff_ms, settings.max_backoff_ms) == (500, 300_000)
    assert (settings.allow_cleanup, settings.allow_lossy_redis, settings.answer_is_final) == (False, False, False)


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("TXN_REDIS_URL", "rediss://redis:6380/1", "redis_url", "rediss://redis:6380/1"),
        ("TXN_REDIS_URL", "unix:///run/redis.sock", "redis_url", "unix:///run/redis.sock"),
        ("TXN_POSTING_URL", "https://posting/base", "posting_url", "https://posting/base"),
        ("TXN_PREFIX", "{txn}:", "prefix", "{txn}:"),
        ("TXN_POSTING_TIMEOUT_MS", "3000", "posting_timeout_ms", 3_000),
        ("TXN_MARGIN_MS", "500", "margin_ms", 500),
        ("TXN_LEASE_MS", "30000", "lease_ms", 30_000),
        ("TXN_DOUBT_WINDOW_MS", "60000", "doubt_window_ms", 60_000),
        ("TXN_GRACE_MS", "1", "grace_ms", 1),
        ("TXN_MAX_ATTEMPTS", "1", "max_attempts", 1),
        ("TXN_MIN_BACKOFF_MS", "1", "min_backoff_ms", 1),
        ("TXN_MAX_BACKOFF_MS", "86400000", "max_backoff_ms", 86_400_000),
        ("TXN_UNDECIDED_AFTER_MS", "1000", "undecided_after_ms", 1_000),
        ("TXN_VERIFY", "after-doubt", "verify", "after-doubt"),
        ("TXN_TRANSPORT", "requests", "transport", "requests"),
        ("TXN_IN_FLIGHT", "77", "in_flight", 77),
        ("TXN_ANSWER_IS_FINAL", "1", "answer_is_final", True),
        ("TXN_ADMIN_USERS", "@/etc/txn/users", "admin_users", "@/etc/txn/users"),
        ("TXN_ADMIN_SECRET", "sixteen or more!", "admin_secret", "sixteen or more!"),
        ("TXN_ADMIN_SESSION_HOURS", "1", "admin_session_hours", 1),
        ("TXN_TRUSTED_PROXIES", "10.0.0.0/8, ::1", "trusted_proxies", "10.0.0.0/8, ::1"),
        ("TXN_ALLOW_CLEANUP", "1", "allow_cleanup", True),
        ("TXN_ALLOW_LOSSY_REDIS", "1", "allow_lossy_redis", True),
    ],
)
def test_each_setting_has_its_variable(variable: str, text: str, field: str, value: object) -> None:
    assert getattr(Settings.from_environment({variable: text}), field) == value


def test_every_length_of_time_says_its_unit() -> None:
    for name, field in Settings.model_fields.items():
        if field.annotation is int and not name.startswith(
            ("max_", "in_flight", "callbacks_in_flight", "client_submits", "redis_replicas", "partitions")
        ):
            assert name.endswith(("_ms", "_hours"))


@pytest.mark.parametrize("text", ["0%", "101%", "90 %", "much", "-1", "0", "6tb", "1.5gb", ""])
def test_memory_is_a_share_or_bytes(text: str) -> None:
    with pytest.raises(BadSettings, match=r"TXN_MAX_REDIS_MEMORY=.*must be"):
        read(max_redis_memory=text)


@pytest.mark.parametrize(
    ("text", "limit"), [("90%", 900), ("100%", 1000), ("500", 500), ("2k", 2000), ("2kb", 2048), ("3MB", 3 * 2**20)]
)
def test_memory_is_written_as_in_the_file_of_redis(text: str, limit: int) -> None:
    assert limit_of(read(max_redis_memory=text).max_redis_memory, 1000) == limit


@pytest.mark.parametrize(("text", "value"), [("1", True), ("true", True), ("0", False), ("false", False)])
def test_a_switch_is_1_or_0(text: str, value: bool) -> None:
    assert read(allow_cleanup=text).allow_cleanup is value


@pytest.mark.parametrize("name", ["allow_cleanup", "allow_lossy_redis", "answer_is_final"])
@pytest.mark.parametrize("text", ["", " ", "2", "maybe", "-1", "None"])
def test_a_switch_that_is_neither_on_nor_off_is_refused_and_named(name: str, text: str) -> None:
    assert f"TXN_{name.upper()}=" in refused(**{name: text})


@pytest.mark.parametrize(
    "environment",
    [
        {"TXN_UNKNOWN": "1"},
        {"TXN_": "1"},
        {"TXN_BENCH_RATE": "x", "TXN_REDIS_URL_OLD": "x"},
        {"POSTING_TIMEOUT_MS": "7", "PATH": "/bin", "REDIS_URL": "x"},
        {"txn_posting_timeout_ms": "7"},
        {"TXN_MODEL_CONFIG": "x", "TXN_SERVICE_HOST": "x", "TXN_PORT_8000_TCP": "x"},
        dict.fromkeys(["TXN_PORT", "TXN_REDIS_PORT", "TXN_POSTING_PORT", "TXN_SWARM_HOST", "TXN_SWARM_RATE"], "1"),
    ],
)
def test_variables_that_are_like_no_setting_are_left_alone(environment: dict[str, str]) -> None:
    assert Settings.from_environment(environment) == Settings()


# --- what follows from the timeout


@pytest.mark.parametrize(
    ("timeout", "margin", "lease"),
    [("1000", 200, 4_000), ("5000", 1_000, 20_000), ("15000", 3_000, 60_000), ("1", 1, 4)],
)
def test_if_only_the_timeout_is_set_margin_and_lease_follow(timeout: str, margin: int, lease: int) -> None:
    settings = read(posting_timeout_ms=timeout)
    assert (settings.posting_timeout_ms, settings.margin_ms, settings.lease_ms) == (int(timeout), margin, lease)


@pytest.mark.parametrize("text", [" 1000 ", "+1000", "1_000", "1000.0", "01000"])
def test_they_follow_however_the_timeout_is_written_or_it_is_refused(text: str) -> None:
    try:
        settings = read(posting_timeout_ms=text)
    except BadSettings:
        return
    assert (settings.posting_timeout_ms, settings.margin_ms, settings.lease_ms) == (1_000, 200, 4_000)


def test_what_is_set_beside_the_timeout_stays() -> None:
    assert read(posting_timeout_ms="1000", lease_ms="9000").lease_ms == 9_000
    assert read(posting_timeout_ms="1000", lease_ms="9000").margin_ms == 200
    assert read(posting_timeout_ms="1000", margin_ms="900").margin_ms == 900
    assert read(posting_timeout_ms="1000", margin_ms="900").lease_ms == 4_000


# --- what cannot work


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("posting_timeout_ms", "0"), ("posting_timeout_ms", "-1"), ("posting_timeout_ms", "5s")),
        *(("posting_timeout_ms", ""), ("posting_timeout_ms", "1e3"), ("posting_timeout_ms", "0.5")),
        *(("posting_timeout_ms", "\u00b2"), ("posting_timeout_ms", "\u0663"), ("posting_timeout_ms", "9" * 5_000)),
        *(("margin_ms", "0"), ("lease_ms", "x"), ("lease_ms", "86400001"), ("grace_ms", "-1")),
        *(("doubt_window_ms", "0"), ("min_backoff_ms", "0"), ("max_backoff_ms", "none"), ("undecided_after_ms", "0")),
        *(("max_attempts", "0"), ("max_attempts", "1001"), ("max_attempts", "x")),
        *(("prefix", ""), ("prefix", "a b"), ("prefix", "x" * 65), ("prefix", "txn:\n"), ("prefix", "*")),
        *(("verify", "never"), ("transport", "smoke-signals"), ("verify", "")),
        *(("redis_url", ""), ("redis_url", "127.0.0.1:6379"), ("redis_url", "http://redis"), ("redis_url", "redis")),
        *(("redis_url", "redis://[::1"), ("redis_url", "redis://redis:port/0"), ("redis_url", "redis://redis:99999")),
        *(
            ("posting_url", ""),
            ("posting_url", "posting:8080"),
            ("posting_url", "ftp://posting"),
            ("posting_url", "/x"),
        ),
        *(("posting_url", "http://a b"), ("posting_url", "http://pösting"), ("posting_url", "http://posting/ä")),
        *(("posting_url", "http://user:pw@"), ("posting_url", "http://user:pw@:80"), ("posting_url", "http://@")),
        *(("posting_url", "http://."), ("posting_url", "http://a..b"), ("posting_url", "http://-a")),
        *(("posting_url", "http://${HOST}"), ("posting_url", "http://<host>"), ("posting_url", "http://a,b")),
        *(("posting_url", "http://a\\b"), ("posting_url", "http://" + "a" * 64), ("posting_url", "http://a:b/w@host")),
        *(("posting_url", "http://a?b"), ("posting_url", "http://a#b"), ("posting_url", "http://a:65536")),
        *(("posting_url", "http://[::1]x"), ("posting_url", "http://a\n"), ("posting_url", "http://\ta")),
        *(("posting_url", "http://[x"), ("posting_url", "http://"), ("posting_url", "http://posting:port")),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_value_that_cannot_work_is_refused_and_its_variable_is_named(name: str, text: str) -> None:
    assert f"TXN_{name.upper()}" in refused(**{name: text})


@pytest.mark.parametrize(
    "url",
    [
        *("http://posting", "HTTPS://Posting.Example.", "http://po_sting:8080/", "http://a-b.c-d/base//x", "http://a:"),
        *("http://127.0.0.1:80", "http://[::1]:80/x", "http://[fe80::1%25eth0]", "http://1.2.3.4.example"),
        *("http://user@posting", "https://user:p%40ss%2F@posting:443/x", "http://u:p@h@posting", "http://:pw@posting"),
        "http://" + "a" * 63,
    ],
)
def test_a_posting_url_that_can_be_asked_is_accepted_as_it_is(url: str) -> None:
    assert read(posting_url=url).posting_url == url
    Endpoint.parse(url)


def test_all_wrong_values_are_named_at_once() -> None:
    message = refused(max_attempts="x", prefix="", lease_ms="-1")
    assert all(name in message for name in ("TXN_MAX_ATTEMPTS", "TXN_PREFIX", "TXN_LEASE_MS"))


def test_only_variables_that_are_set_are_named() -> None:
    message = refused(posting_timeout_ms="0")
    assert "TXN_POSTING_TIMEOUT_MS" in message
    assert "TXN_LEASE_MS" not in message


@pytest.mark.parametrize(
    ("values", "named", "number"),
    [
        ({"lease_ms": "15999"}, "TXN_LEASE_MS=15999", "16000"),
        ({"lease_ms": "16000", "margin_ms": "1001"}, "TXN_LEASE_MS=16000", "16001"),
        ({"posting_timeout_ms": "7000", "lease_ms": "20000"}, "TXN_LEASE_MS=20000", "22400"),
        ({"doubt_window_ms": "4999"}, "TXN_DOUBT_WINDOW_MS=4999", "5000"),
        ({"posting_timeout_ms": "15001"}, "TXN_DOUBT_WINDOW_MS=15000", "15001"),
        ({"min_backoff_ms": "300001"}, "TXN_MIN_BACKOFF_MS=300001", "300000"),
        ({"max_backoff_ms": "499"}, "TXN_MAX_BACKOFF_MS=499", "500"),
    ],
)
def test_values_that_cannot_work_together_are_refused_with_both_numbers(
    values: dict[str, str], named: str, number: str
) -> None:
    message = refused(**values)
    assert named in message
    assert number in message


@pytest.mark.parametrize(
    "values",
    [
        {"lease_ms": "16000"},
        {"doubt_window_ms": "5000"},
        {"posting_timeout_ms": "15000"},
        {"min_backoff_ms": "1000", "max_backoff_ms": "1000"},
        {"margin_ms": "5000"},
    ],
)
def test_values_that_just_fit_are_accepted(values: dict[str, str]) -> None:
    settings = read(**values)
    assert {name: str(getattr(settings, name)) for name in values} == values


@pytest.mark.parametrize(
    "values",
    [
        {"redis_url": "redis://user:hunter2@redis:6379/0", "max_attempts": "x"},
        {"redis_url": "redis://user:hunter2@redis:6379/0", "lease_ms": "1"},
        {"redis_url": "http://user:hunter2@redis"},
        {"redis_url": "//user:hunter2@redis"},
        {"redis_url": "user:hunter2@redis"},
        {"redis_url": "redis://user:hunter2@[::1"},
        {"redis_url": "redis://user:hunter2@redis:port/0"},
        {"redis_url": "redis://user:hunter2\u2100@redis"},
        {"posting_url": "ftp://user:hunter2@posting"},
        {"posting_url": "http://user:hunter2@[x"},
        {"posting_url": "https://user:hunter2@posting", "verify": "never"},
    ],
)
def test_no_error_shows_the_password_of_an_url(values: dict[str, str]) -> None:
    try:
        read(**values)
    except BadSettings as error:
        shown = f"{error!r} {error.__cause__!r}"
    else:
        shown = ""
    assert "hunter2" not in shown


def test_settings_cannot_be_changed() -> None:
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.lease_ms = 1


def test_a_message_excuses_a_transaction_for_a_lease_and_a_doubt_window() -> None:
    settings = read(lease_ms="30000", doubt_window_ms="7000")
    assert settings.patience_ms == 37_000


def test_a_secret_that_can_be_guessed_is_refused_and_not_shown() -> None:
    message = refused(admin_secret="hunter2")
    assert "TXN_ADMIN_SECRET is too short" in message
    assert "hunter2" not in message
    assert "sixteen" not in repr(read(admin_secret="sixteen or more!"))


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("TXN_POSTING_TIMEOUT", "TXN_POSTING_TIMEOUT_MS"),
        ("TXN_DOUBT_WINDOW", "TXN_DOUBT_WINDOW_MS"),
        ("TXN_LEASE", "TXN_LEASE_MS"),
        ("TXN_DOUBT_WINDOWS_MS", "TXN_DOUBT_WINDOW_MS"),
        ("TXN_ANSWERS_FINAL", "TXN_ANSWER_IS_FINAL"),
        ("TXN_ALLOW_LOSY_REDIS", "TXN_ALLOW_LOSSY_REDIS"),
        ("TXN_METRIC_TOKEN", "TXN_METRICS_TOKEN"),
    ],
)
def test_a_setting_misspelt_is_not_a_setting_ignored(name: str, meant: str) -> None:
    with pytest.raises(BadSettings) as caught:
        Settings.from_environment({name: "1"})
    assert str(caught.value) == f"unknown setting {name}; did you mean {meant}?"


@pytest.mark.parametrize(
    "origins",
    [
        *("", "*", " * ", "https://a.example", "https://a.example,http://b.example:8080", " http://localhost:3000 , "),
        *(
            "http://[::1]:3000",
            "capacitor://localhost",
            "https://xn--bcher-kva.example",
            "http://127.0.0.1",
            "https://my_host",
        ),
    ],
)
def test_origins_as_browsers_send_them_are_accepted(origins: str) -> None:
    assert read(cors_origins=origins).cors_origins == origins


@pytest.mark.parametrize(
    "origin",
    [
        *(
            "https://a.example/",
            "https://a.example/app",
            "a.example",
            "//a.example",
            "https://",
            "https://A.example",
            "null",
        ),
        *(
            "https://*.example",
            "**",
            "*,https://a.example",
            "https://a.example,*",
            "https://a.example https://b.example",
        ),
        *(
            "http://a.example:80",
            "https://a.example:443",
            "https://u:p@a.example",
            "https://a.example:",
            "https://bü.example",
        ),
        *("https://a.example,nonsense", "HTTPS://a.example", "true", "1", "all", "https://a.example;https://b.example"),
    ],
)
def test_an_origin_that_no_browser_sends_is_refused(origin: str) -> None:
    message = refused(cors_origins=origin)
    assert "TXN_CORS_ORIGINS" in message
    assert "as browsers send it" in message


@pytest.mark.parametrize("proxies", ["*", "proxy.example", "10.0.0.0/33", "10.0.0.1;10.0.0.2"])
def test_a_proxy_that_is_no_address_is_refused(proxies: str) -> None:
    assert "TXN_TRUSTED_PROXIES must be addresses or networks" in refused(trusted_proxies=proxies)


MEANT = {
    "REDIS_URL": (
        "REDIS",
        "REDIS_URI",
        "REDIS_DSN",
        "REDIS_HOST",
        "REDIS_ADDRESS",
        "REDIS_SERVER",
        "VALKEY_URL",
        "BROKER_URL",
    ),
    "POSTING_URL": (
        "POSTING_SERVICE_URL",
        "POSTING_SERVICE",
        "POSTING",
        "POSTING_API_URL",
        "POSTING_BASE_URL",
        "POSTING_HOST",
    ),
    "MAX_ATTEMPTS": (
        "MAX_RETRIES",
        "RETRIES",
        "MAX_RETRY",
        "RETRY_LIMIT",
        "MAX_TRIES",
        "MAX_RETRY_ATTEMPTS",
        "ATTEMPTS",
    ),
    "POSTING_TIMEOUT_MS": (
        "TIMEOUT",
        "TIMEOUT_MS",
        "REQUEST_TIMEOUT",
        "POSTING_TIMEOUT_SECONDS",
        "POSTING_SERVICE_TIMEOUT",
    ),
    "MIN_BACKOFF_MS": ("BACKOFF", "RETRY_DELAY", "RETRY_BACKOFF", "INITIAL_BACKOFF", "BACKOFF_BASE", "RETRY_DELAY_MS"),
    "MAX_BACKOFF_MS": ("MAX_BACKOFF", "MAX_DELAY", "MAX_RETRY_DELAY", "BACKOFF_MAX_MS"),
    "LEASE_MS": ("LEASE_SECONDS",),
    "DOUBT_WINDOW_MS": ("DOUBT_WINDOW_S",),
    "PREFIX": ("KEY_PREFIX", "REDIS_PREFIX"),
    "LOG_LEVEL": ("LOGLEVEL", "LEVEL"),
    "ALLOW_CLEANUP": ("CLEANUP", "ENABLE_CLEANUP"),
    "ADMIN_USERS": ("ADMIN_USER", "ADMIN_PASSWORD"),
    "METRICS_TOKEN": ("METRICS_SECRET",),
    "CORS_ORIGINS": ("CORS", "CORS_ORIGIN", "CORS_ALLOWED_ORIGINS", "ALLOWED_ORIGINS", "CORS_ALLOW_ORIGINS"),
}


@pytest.mark.parametrize(("name", "meant"), [(name, meant) for meant, names in MEANT.items() for name in names])
def test_another_name_for_a_setting_is_refused_with_the_right_one(name: str, meant: str) -> None:
    with pytest.raises(BadSettings) as caught:
        Settings.from_environment({f"TXN_{name}": "s3cret"})
    assert str(caught.value) == f"unknown setting TXN_{name}; did you mean TXN_{meant}?"


def test_the_right_name_beside_it_does_not_help() -> None:
    with pytest.raises(BadSettings, match="unknown setting TXN_MAX_RETRIES"):
        Settings.from_environment({"TXN_MAX_RETRIES": "3", "TXN_MAX_ATTEMPTS": "3"})


@pytest.mark.parametrize(
    "name",
    [
        *("TXN_PORT", "TXN_REDIS_PORT", "TXN_POSTING_PORT", "TXN_SWARM_HOST", "TXN_SWARM_RATE", "TXN_SWARM_LEDGER"),
        *(
            "TXN_REDIS_SERVICE_HOST",
            "TXN_REDIS_SERVICE_PORT",
            "TXN_POSTING_SERVICE_HOST",
            "TXN_POSTING_SERVICE_PORT_HTTP",
        ),
        *("TXN_REDIS_PORT_6379_TCP", "TXN_REDIS_PORT_6379_TCP_ADDR", "TXN_SERVICE_PORT", "TXN_VERSION", "TXN_IMAGE"),
    ],
)
def test_what_platforms_and_our_own_tools_set_is_left_alone(name: str) -> None:
    assert Settings.from_environment({name: "tcp://10.0.0.1:1"}) == Settings()


def test_no_two_settings_are_the_same_to_whoever_guesses_what_is_meant() -> None:
    names = [name.upper() for name in Settings.model_fields]
    for name in names:
        assert list(misspelt({f"TXN_{name}_": "1"}, names)) == [(f"TXN_{name}_", f"TXN_{name}")]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        *(
            (name, "REDIS_URL")
            for name in ("REDIS_URL", "REDIS_URI", "REDIS_HOST", "VALKEY_URL", "BROKER_URL", "REDIS")
        ),
        *((name, "POSTING_URL") for name in ("POSTING_SERVICE_URL", "POSTING_URL", "POSTING_API_URL", "POSTING_HOST")),
        *((name, "MAX_ATTEMPTS") for name in ("MAX_RETRIES", "MAX_ATTEMPTS", "RETRY_LIMIT")),
        ("POSTING_SERVICE_TIMEOUT", "POSTING_TIMEOUT_MS"),
        ("RETRY_DELAY", "MIN_BACKOFF_MS"),
        ("CORS_ORIGINS", "CORS_ORIGINS"),
    ],
)
def test_a_name_without_the_prefix_is_said_unless_the_setting_is_set(name: str, meant: str) -> None:
    assert not_read({name: "s3cret"}) == [f"{name} is set but not read: the setting is TXN_{meant}, which is not set"]
    assert not_read({name: "s3cret", f"TXN_{meant}": "x"}) == []
    assert Settings.from_environment({name: "s3cret"}) == Settings()


@pytest.mark.parametrize(
    "name",
    [
        "REDIS_PORT",
        "REDIS_SERVICE_HOST",
        "PREFIX",
        "LOG_LEVEL",
        "TRANSPORT",
        "VERIFY",
        "PATH",
        "HOST",
        "TIMEOUT",
        "REDIS_PASSWORD",
    ],
)
def test_names_of_other_software_are_not_worth_a_word(name: str) -> None:
    assert not_read({name: "x"}) == []


@pytest.mark.parametrize("prefix", ["txn", "txn-", "txn.", "{txn}x", "txn: "])
def test_a_prefix_ends_where_no_other_goes_on(prefix: str) -> None:
    with pytest.raises(BadSettings, match=r"TXN_PREFIX=.*end with : or }"):
        Settings.from_environment({"TXN_PREFIX": prefix})


@pytest.mark.parametrize("name", ["TXN_ADMIN_SECRET", "TXN_METRICS_TOKEN"])
def test_a_secret_that_can_be_guessed_is_refused_without_being_shown(name: str) -> None:
    with pytest.raises(BadSettings) as caught:
        Settings.from_environment({name: "hunter2"})
    assert name in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "given", ["", "yes", "attested", "attested:", "attested: me", "attested:a\nb", "attested:" + "x" * 101]
)
def test_who_attests_durability_must_be_named(given: str) -> None:
    with pytest.raises(BadSettings, match=r"TXN_REDIS_DURABILITY=.*: use checked, or attested: and who says"):
        Settings.from_environment({"TXN_REDIS_DURABILITY": given})


def test_who_attests_durability_is_what_is_behind_the_colon() -> None:
    assert Settings().attested_by == ""
    assert Settings(redis_durability="attested:AWS, MemoryDB: contract 7").attested_by == "AWS, MemoryDB: contract 7"
