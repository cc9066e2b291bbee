"""Settings: `TXN_*` in the environment, read here and nowhere else, validated once, units in the name."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from txn.api_keys import KeyRing
from txn.endpoints import Endpoints, split_hosts
from txn.errors import BadSettings
from txn.fitting_settings import (
    check_backoff,
    check_memory,
    check_networks,
    check_one_of,
    check_secret,
    check_spread,
    check_times,
)
from txn.misspelt_settings import misspelt, without_prefix
from txn.redis_places import SentinelAccess, split_cluster_url, split_sentinel_url
from txn.redis_url import check_redis_url
from txn.url import split_origins, split_posting_url

#: Who attests it is shown: a name of up to 100 characters, on one line.
_DURABILITY = r"^(checked|attested:[^\s\p{C}]([^\p{C}]{0,98}[^\s\p{C}])?)$"

Milliseconds = Annotated[int, Field(gt=0, le=86_400_000)]


class Settings(BaseModel):
    """Everything that can be set. A field `x_ms` is `TXN_X_MS` in the environment.

    Raises: BadSettings (through `from_environment`), naming the variable.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Redis >= 6.2 or Valkey: redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://
    redis_url: Annotated[str, Field(repr=False)] = "redis://127.0.0.1:6379/0"
    #: No connection to Redis is used for longer: its name may lead to another server by then.
    redis_connection_age_ms: Milliseconds = 300_000
    #: So many replicas must have a submit, a claim or an outcome before it is believed. 0: a failover may lose it.
    redis_replicas: Annotated[int, Field(ge=0, le=10)] = 0
    #: How sentinels are entered, if the URL names some. The CA: a file, or `system`; none: without TLS.
    sentinel_username: Annotated[str, Field(repr=False)] = ""
    sentinel_password: Annotated[str, Field(repr=False)] = ""
    sentinel_ca: str = ""
    #: Whether it keeps what it acknowledges: looked at, or, where it hides its settings, attested by somebody.
    redis_durability: Annotated[str, Field(pattern=_DURABILITY)] = "checked"
    #: Every key starts with this; it ends where no other may go on. `{txn}:`, the default in a cluster, puts all into
    #: one of its slots.
    prefix: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:{}-]*[:}]$")] = "txn:"

    #: Into how many partitions transactions are divided, a power of two; 0: none. It cannot be changed later.
    partitions: Annotated[int, Field(ge=0, le=64)] = 0

    #: Base URL of the posting service; `/transactions` is appended.
    posting_url: Annotated[str, Field(repr=False)] = "http://127.0.0.1:8080"
    #: Total deadline of one call to the posting service, connecting included.
    posting_timeout_ms: Milliseconds = 5_000
    #: No connection to the posting service is used for longer: its name may lead to another server by then.
    posting_connection_age_ms: Milliseconds = 60_000
    #: What must be left of the lease beyond a whole POST when the POST begins. Follows from the timeout if not set.
    margin_ms: Milliseconds = 1_000
    #: How long a claim holds a transaction. Follows from the timeout if not set.
    lease_ms: Milliseconds = 20_000
    #: How long after its deadline an uncertain POST may still turn up in a GET.
    doubt_window_ms: Milliseconds = 15_000
    #: The posting service never writes after it has answered, and its GET sees its own writes.
    answer_is_final: bool = False
    #: GET before every POST, or only before the POST of a transaction that was in doubt.
    verify: Literal["always", "after-doubt"] = "always"
    #: How requests are sent. `requests` delivers on Dramatiq's threads, curl on an event loop.
    transport: Literal["curl", "requests"] = "curl"
    #: Deliveries that a worker process has on its event loop at once.
    in_flight: Annotated[int, Field(ge=1, le=10_000)] = 512

    #: How soon after the submit a transaction without a wake-up is looked at.
    grace_ms: Milliseconds = 5_000
    max_attempts: Annotated[int, Field(ge=1, le=1_000)] = 8
    min_backoff_ms: Milliseconds = 500
    max_backoff_ms: Milliseconds = 300_000
    #: How many transactions that hung the last time may be in flight at once, over all workers.
    max_hanging: Annotated[int, Field(ge=1, le=100_000)] = 32
    #: How long GETs of one id may stay unanswered, while others are answered, before a person must decide.
    undecided_after_ms: Milliseconds = 3_600_000

    #: From so many unfinished transactions on, submits are refused.
    max_unfinished: Annotated[int, Field(ge=1, le=1_000_000_000)] = 10_000_000
    #: From so much memory of Redis on, submits are refused: bytes (`6gb`), or a share of its maxmemory if it has one.
    max_redis_memory: str = "90%"
    #: How many submits a second one client may send to one API process; 0: any number.
    client_submits_per_second: Annotated[int, Field(ge=0, le=1_000_000)] = 0

    #: Who may log in to the admin site: `name:role:hash` lines, or `@/path/to/file` with them. None: no admin site.
    admin_users: Annotated[str, Field(repr=False)] = ""
    #: Signs the sessions. Empty: the user lines take its place.
    admin_secret: Annotated[str, Field(repr=False)] = ""
    #: How long a login lasts.
    admin_session_hours: Annotated[int, Field(ge=1, le=720)] = 12

    #: Proxies whose word for a client's address counts where logins and submits are limited: `10.0.0.0/8,::1`; `unix`
    #: for a socket.
    trusted_proxies: str = ""

    #: Who may use the API: `client:roles:sha256:date` lines. Neither these nor a file: whoever reaches it.
    api_keys: Annotated[str, Field(repr=False)] = ""
    #: A file with such lines, which is read again when it changes.
    api_keys_file: str = ""
    #: The key that `txn submit` sends.
    api_key: Annotated[str, Field(repr=False)] = ""
    #: Without keys, the API may be reached from other machines.
    allow_open: bool = False

    #: Where clients want callbacks, and with which secrets: `client url secret,secret` lines.
    callbacks: Annotated[str, Field(repr=False)] = ""
    #: A file with such lines, which is read again when it changes.
    callbacks_file: str = ""
    #: Hosts that a submission may name for its own callback: `hooks.shop.example,*.partner.example`. None: it may not.
    callback_hosts: str = ""
    #: Addresses and networks that callbacks may go to although they are not public: `10.1.0.0/16`.
    callback_networks: str = ""
    #: Callbacks may go to http:// as well.
    allow_http_callbacks: bool = False
    #: Total deadline of one sending of a callback, connecting included.
    callback_timeout_ms: Milliseconds = 10_000
    #: For so long after its first failure a callback is tried again.
    callback_give_up_ms: Milliseconds = 86_400_000
    #: Callbacks that a worker process sends at once; 0: it sends none.
    callbacks_in_flight: Annotated[int, Field(ge=0, le=256)] = 32

    #: Who brings it may read /metrics; without one, only this machine may.
    metrics_token: Annotated[str, Field(repr=False)] = ""
    #: Web pages of which origins may read the API's answers: `https://a.example,http://b`, or `*`. None: of no other.
    cors_origins: str = ""
    #: What is logged: from this level on.
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    #: A line of JSON an event, or text for people; auto: text on a terminal.
    log_format: Literal["auto", "json", "text"] = "auto"

    #: Where errors are sent to besides the log. Empty: nowhere.
    sentry_dsn: Annotated[str, Field(repr=False)] = ""

    #: `POST /api/cleanup` empties the store. For tests.
    allow_cleanup: bool = False
    #: Accept transactions although Redis can lose them.
    allow_lossy_redis: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read every `TXN_<FIELD>` that is there.

        Other variables are left alone, unless one that begins with TXN_ can only be meant for a setting.
        Raises: BadSettings.
        """
        names = [name.upper() for name in cls.model_fields]
        if wrong := [f"unknown setting {name}; did you mean {meant}?" for name, meant in misspelt(environment, names)]:
            raise BadSettings("; ".join(wrong))
        values: dict[str, Any] = {}
        for name in cls.model_fields:
            if (value := environment.get(f"TXN_{name.upper()}")) is not None:
                values[name] = value
        if timeout := values.get("posting_timeout_ms"):
            values = _follow(timeout) | values
        if "+cluster://" in values.get("redis_url", "") and values.get("partitions", "0") == "0":
            values = {"prefix": "{txn}:"} | values
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise BadSettings("; ".join(_sentence(details) for details in error.errors())) from None

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        check_times(self.posting_timeout_ms, self.margin_ms, self.lease_ms, self.doubt_window_ms)
        check_backoff(self.min_backoff_ms, self.max_backoff_ms)
        check_secret("TXN_ADMIN_SECRET", self.admin_secret)
        check_secret("TXN_METRICS_TOKEN", self.metrics_token)
        check_one_of("TXN_API_KEYS", self.api_keys, "TXN_API_KEYS_FILE", self.api_keys_file)
        KeyRing.parse(self.api_keys, "TXN_API_KEYS")
        check_one_of("TXN_CALLBACKS", self.callbacks, "TXN_CALLBACKS_FILE", self.callbacks_file)
        Endpoints.parse(self.callbacks, "TXN_CALLBACKS", allow_http=self.allow_http_callbacks)
        split_hosts(self.callback_hosts)
        check_networks("TXN_CALLBACK_NETWORKS", self.callback_networks, "as in 10.1.0.0/16,::1")
        split_posting_url(self.posting_url)
        split_origins(self.cors_origins)
        check_networks("TXN_TRUSTED_PROXIES", self.trusted_proxies, "as in 10.0.0.0/8,::1, or unix")
        check_redis_url(self.redis_url)
        check_spread(self.partitions, self.prefix, in_cluster=split_cluster_url(self.redis_url) is not None)
        check_memory("TXN_MAX_REDIS_MEMORY", self.max_redis_memory)
        return self

    @property
    def sentinel_access(self) -> SentinelAccess:
        """How the sentinels of the URL are entered."""
        return SentinelAccess(self.sentinel_username, self.sentinel_password, self.sentinel_ca)

    @property
    def redis_fails_over(self) -> bool:
        """Whether a replica may become the primary by itself."""
        return (split_sentinel_url(self.redis_url) or split_cluster_url(self.redis_url)) is not None

    @property
    def attested_by(self) -> str:
        """Who says that Redis keeps what it acknowledges; empty: nobody, it is checked."""
        return self.redis_durability.removeprefix("checked").removeprefix("attested:")

    @property
    def is_open(self) -> bool:
        """Whether whoever reaches the API may use it. An empty file is no reason to let everybody in."""
        return not (self.api_keys or self.api_keys_file)

    @property
    def patience_ms(self) -> int:
        """How long a queued or held message excuses a transaction that nobody has claimed."""
        return self.lease_ms + self.doubt_window_ms

    @property
    def longest_wait_ms(self) -> int:
        """No backoff, lease or doubt is longer: a later look was set before Redis's clock was set back."""
        return max(self.max_backoff_ms, self.patience_ms) + self.grace_ms


#: What a pattern asks for, in words.
_PATTERNS = {
    "prefix": "use letters, digits and _ . : - { }, and end with : or }, so that no other keys begin with it",
    "redis_durability": "use checked, or attested: and who says that no acknowledged write is lost, as in attested:AWS",
}


def not_read(environment: Mapping[str, str]) -> list[str]:
    """Sentences about variables without TXN_ that may be meant for a setting that is not set."""
    found = without_prefix(environment)
    return [f"{name} is set but not read: the setting is {meant}, which is not set" for name, meant in found]


def _follow(timeout: str) -> dict[str, Any]:
    try:
        timeout_ms = TypeAdapter(Milliseconds).validate_python(timeout)
    except ValidationError:
        return {}  # said once, by the model
    return {"margin_ms": max(1, timeout_ms // 5), "lease_ms": min(4 * timeout_ms, 86_400_000)}


def _sentence(details: Any) -> str:
    message = str(details["msg"]).removeprefix("Value error, ")
    if details["type"] == "string_pattern_mismatch":
        message = _PATTERNS[details["loc"][0]]
    if not details["loc"]:
        return message
    return f"TXN_{str(details['loc'][0]).upper()}={details['input']!r}: {message}"
