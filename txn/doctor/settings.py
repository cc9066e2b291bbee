"""The settings that are allowed, and still worth a word."""

from collections.abc import Iterator, Mapping

from txn.doctor.finding import Finding, Level
from txn.settings import MIN_SECRET, Settings


def check(settings: Settings) -> Iterator[Finding]:
    """Settings that do not fit together never come this far."""
    timeout, lease, window = (
        f"{ms / 1000:g} s" for ms in (settings.posting_timeout_ms, settings.lease_ms, settings.doubt_window_ms)
    )
    yield Finding("settings", Level.OK, f"a call may take {timeout}, a lease lasts {lease}, a doubt {window}")
    if settings.answer_is_final:
        yield Finding(
            "settings",
            Level.NOTE,
            "TXN_ANSWER_IS_FINAL=1",
            "be sure that the posting service never writes after it has answered, and that its GET sees its own writes",
        )
    if settings.verify == "after-doubt":
        yield Finding(
            "settings",
            Level.NOTE,
            "TXN_VERIFY=after-doubt",
            "without the first GET, nothing protects from a Redis that has lost data",
        )
    if settings.allow_cleanup:
        yield Finding(
            "settings",
            Level.WARN,
            "TXN_ALLOW_CLEANUP=1: whoever reaches the API can delete everything",
            "unset it wherever transactions are real",
        )
    if settings.allow_lossy_redis:
        yield Finding(
            "settings",
            Level.WARN,
            "TXN_ALLOW_LOSSY_REDIS=1: what is acknowledged can be lost",
            "unset it wherever transactions are real",
        )
    if settings.admin_users and not settings.admin_secret:
        yield Finding(
            "settings",
            Level.WARN,
            "no TXN_ADMIN_SECRET: sessions of the admin site are signed with what TXN_ADMIN_USERS says",
            f"set it to {MIN_SECRET} or more random characters, the same for all API processes",
        )
    if not settings.metrics_token:
        yield Finding("settings", Level.NOTE, "no TXN_METRICS_TOKEN", "set it if Prometheus reads from another machine")


def strangers(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Variables that look like settings and are none. What they are set to is not shown."""
    known = {f"TXN_{name.upper()}" for name in Settings.model_fields}
    if names := sorted(name for name in environment if name.startswith("TXN_") and name not in known):
        do = "nothing reads them here: README.md lists the settings"
        yield Finding("settings", Level.NOTE, f"no settings: {', '.join(names)}", do)
