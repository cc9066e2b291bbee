"""Finds misspelt settings: a variable that somebody believes to be set is worse than none."""

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches

PREFIX = "TXN_"
#: From this likeness on (1: equal), an unknown variable is a setting misspelt.
LIKENESS = 0.88

#: What Kubernetes sets for a service named txn-redis, and `make run` reads for itself.
_PORTS = re.compile(r".*_SERVICE_(HOST|PORT.*)|(.*_)?PORT(_[0-9]+_(TCP|UDP).*)?")
#: Words that make no difference to what is meant: the unit is in our names, and an address is an address.
_FILLING = frozenset(
    {
        *("URL", "URI", "DSN", "ADDR", "ADDRESS", "HOST", "HOSTNAME", "ENDPOINT", "STRING", "CONNECTION"),
        *("SERVICE", "SERVER", "BASE", "API", "HTTP", "REQUEST"),
        *("MS", "MSEC", "MILLIS", "MILLISECONDS", "S", "SEC", "SECS", "SECONDS", "MINUTES", "HOURS"),
    }
)
_SYNONYMS = {
    **dict.fromkeys(("RETRY", "RETRIES", "TRIES", "ATTEMPT"), "ATTEMPTS"),
    **dict.fromkeys(("MAXIMUM", "LIMIT"), "MAX"),
    **dict.fromkeys(("MINIMUM", "INITIAL"), "MIN"),
    **dict.fromkeys(("VALKEY", "BROKER"), "REDIS"),
    **dict.fromkeys(("ALLOWED", "ENABLE"), "ALLOW"),
    "DELAY": "BACKOFF",
    "ORIGIN": "ORIGINS",
    "USER": "USERS",
}
#: Shorter and longer ways to say the same, behind TXN_ only.
_ALSO = {
    "ATTEMPTS": "MAX_ATTEMPTS",
    "TIMEOUT": "POSTING_TIMEOUT_MS",
    "BACKOFF": "MIN_BACKOFF_MS",
    "RETRY_BACKOFF": "MIN_BACKOFF_MS",
    "MAX_RETRY_BACKOFF": "MAX_BACKOFF_MS",
    "LEVEL": "LOG_LEVEL",
    "LOGLEVEL": "LOG_LEVEL",
    "KEY_PREFIX": "PREFIX",
    "REDIS_PREFIX": "PREFIX",
    "CORS": "CORS_ORIGINS",
    "ALLOW_ORIGINS": "CORS_ORIGINS",
    "CORS_ALLOW_ORIGINS": "CORS_ORIGINS",
    "CLEANUP": "ALLOW_CLEANUP",
    "ADMIN_PASSWORD": "ADMIN_USERS",
    "METRICS_SECRET": "METRICS_TOKEN",
}
#: Settings whose names, without TXN_, are often set, for us or for other software.
_OFTEN_WITHOUT = ("REDIS_URL", "POSTING_URL", "POSTING_TIMEOUT_MS", "MAX_ATTEMPTS", "CORS_ORIGINS", "ALLOW_CLEANUP")


def misspelt(environment: Mapping[str, str], settings: Collection[str]) -> Iterator[tuple[str, str]]:
    """(the variable, the setting that is meant), of variables that begin with TXN_. `settings`: without it."""
    for name in environment:
        own = name.removeprefix(PREFIX)
        if own != name and own not in settings and (meant := _meant(own, settings)):
            yield name, f"{PREFIX}{meant}"


def without_prefix(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(the variable, the setting that may be meant), of variables without TXN_, where that setting is not set.

    They may be there for other software: a reason to say so, not to refuse them.
    """
    often = {_words(name): name for name in _OFTEN_WITHOUT} | {_words("RETRY_DELAY"): "MIN_BACKOFF_MS"}
    for name in environment:
        meant = None if _PORTS.fullmatch(name) else often.get(_words(name))
        if meant and f"{PREFIX}{meant}" not in environment:
            yield name, f"{PREFIX}{meant}"


def _meant(name: str, settings: Collection[str]) -> str | None:
    if _PORTS.fullmatch(name):
        return None
    by_words = {_words(short): meant for short, meant in _ALSO.items()} | {_words(one): one for one in settings}
    if meant := by_words.get(_words(name)):
        return meant
    alike = get_close_matches(f"{PREFIX}{name}", [f"{PREFIX}{one}" for one in settings], n=1, cutoff=LIKENESS)
    return alike[0].removeprefix(PREFIX) if alike else None


def _words(name: str) -> frozenset[str]:
    return frozenset(_SYNONYMS.get(word, word) for word in name.split("_") if word not in _FILLING)
