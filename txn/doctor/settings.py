"""The settings that are allowed, and still worth a word."""

from collections.abc import Callable, Iterator, Mapping

from txn.doctor.finding import Finding, Level
from txn.fitting_settings import MIN_SECRET
from txn.settings import Settings, not_read

#: (whether it is so, how bad that is, what is so, what to do)
_WORTH_A_WORD: tuple[tuple[Callable[[Settings], bool], Level, str, str], ...] = (
    (
        lambda settings: settings.answer_is_final,
        Level.NOTE,
        "TXN_ANSWER_IS_FINAL=1",
        "make sure that the posting service never writes after it has answered, and that its GET sees its own writes",
    ),
    (
        lambda settings: settings.verify == "after-doubt",
        Level.NOTE,
        "TXN_VERIFY=after-doubt",
        "without the first GET, nothing protects from a Redis that has lost data",
    ),
    (
        lambda settings: settings.allow_cleanup,
        Level.WARN,
        "TXN_ALLOW_CLEANUP=1: whoever reaches the API can delete everything",
        "unset it wherever transactions are real",
    ),
    (
        lambda settings: settings.allow_lossy_redis,
        Level.WARN,
        "TXN_ALLOW_LOSSY_REDIS=1: what is acknowledged can be lost",
        "unset it wherever transactions are real",
    ),
    (
        lambda settings: bool(settings.admin_users) and not settings.admin_secret,
        Level.WARN,
        "no TXN_ADMIN_SECRET: sessions of the admin site are signed with the text of TXN_ADMIN_USERS",
        f"set it to {MIN_SECRET} or more random characters, the same for all API processes",
    ),
    (
        lambda settings: not settings.metrics_token,
        Level.NOTE,
        "no TXN_METRICS_TOKEN",
        "set it if Prometheus reads from another machine",
    ),
)


def check(settings: Settings) -> Iterator[Finding]:
    """Settings that do not fit together never come this far."""
    timeout, lease, window = (
        f"{ms / 1000:g} s" for ms in (settings.posting_timeout_ms, settings.lease_ms, settings.doubt_window_ms)
    )
    yield Finding("settings", Level.OK, f"a call may take {timeout}, a lease lasts {lease}, a doubt {window}")
    for applies, level, found, do in _WORTH_A_WORD:
        if applies(settings):
            yield Finding("settings", level, found, do)


def strangers(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Variables that look like settings and are none. What they are set to is not shown."""
    known = {f"TXN_{name.upper()}" for name in Settings.model_fields} | {"TXN_PORT"}  # where `txn submit` looks
    if names := sorted(name for name in environment if name.startswith("TXN_") and name not in known):
        do = "they have no effect: docs/use/settings.md lists the settings"
        yield Finding("settings", Level.NOTE, f"not settings: {', '.join(names)}", do)
    for sentence in not_read(environment):
        yield Finding(
            "settings", Level.WARN, sentence, "set it if you mean it; ignore this if the variable is for other software"
        )
