"""Numbers and times as text for people. Every function is a filter in templates."""

from collections.abc import Callable

from txn.model.flow import Limits
from txn.model.transaction import MEANINGS, rfc3339
from txn.readers.charts import Percentile


def number(value: float) -> str:
    """1234567 as `1,234,567`; a small fraction keeps one digit."""
    return f"{value:,.1f}" if isinstance(value, float) and value < 100 and value != int(value) else f"{int(value):,}"


def short(value: float) -> str:
    """For axes: 1234567 as `1.2M`."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def span(ms: float) -> str:
    """A length of time in one unit that fits: `85 ms`, `4.2 s`, `3 min`, `5 h`, `2 d`."""
    if ms < 1_000:
        return f"{max(0, round(ms))} ms"
    if ms < 10_000:
        return f"{ms / 1_000:.1f}".removesuffix(".0") + " s"
    for limit, divisor, unit in (
        (100_000, 1_000, "s"),
        (100 * 60_000, 60_000, "min"),
        (48 * 3_600_000, 3_600_000, "h"),
    ):
        if ms < limit:
            return f"{int(ms // divisor)} {unit}"
    return f"{int(ms // 86_400_000)} d"


def decade(ms: float) -> str:
    """A power of ten on an axis: `10 ms`, `100 s`, `17 min`, `2.8 h`."""
    for limit, divisor, unit in ((1e3, 1, "ms"), (1e6, 1e3, "s"), (1e7, 60_000, "min")):
        if ms < limit:
            return f"{ms / divisor:.2g} {unit}" if ms / divisor < 100 else f"{ms / divisor:.0f} {unit}"
    return f"{ms / 3_600_000:.2g} h"


def ago(ms: int, now_ms: int) -> str:
    """`3 min ago`, or `in 3 min`."""
    return f"{span(now_ms - ms)} ago" if ms <= now_ms else f"in {span(ms - now_ms)}"


def utc(ms: int) -> str:
    """`2026-11-23 18:15:03 UTC`."""
    text = rfc3339(ms)
    return f"{text[:10]} {text[11:19]} UTC"


def since(ms: int, now_ms: int) -> str:
    """`18:15:03 UTC`, with the date if that was not today."""
    return utc(ms) if now_ms - ms >= 86_400_000 else f"{clock(ms)[:8]} UTC"


def clock(ms: int) -> str:
    """`18:15:03.977`, for lines of one timeline."""
    return rfc3339(ms)[11:23]


def percent(share: float) -> str:
    """0.0312 as `3.1 %`; what is not nothing is not shown as 0."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    return f"{share * 100:.3g} %" if share >= 0.1 else f"{share * 100:.2g} %"


def percentile(value: Percentile | None) -> str:
    """`38 ms`, or `over 30 min` where no bucket ends; a dash if nothing was completed."""
    if value is None:
        return "\u2013"
    if value.estimate_ms is None:
        return f"over {span(value.low_ms)}"
    return span(value.estimate_ms)


def at_most(value: Percentile | None) -> str:
    """What is certain: `under 50 ms`."""
    if value is None:
        return "nothing completed"
    return "no bound" if value.high_ms is None else f"under {span(value.high_ms)}"


def means(word: str) -> str:
    """What an error code or a kind of evidence says; a word from a later version means itself."""
    return MEANINGS.get(word, word)


def limits(found: Limits) -> str:
    """`50 in flight (32 in use), 200/s`."""
    parts = [] if found.in_flight is None else [f"{number(found.in_flight)} in flight ({number(found.in_use)} in use)"]
    return ", ".join([*parts, *([found.rate] if found.rate else [])])


def by_whom(found: Limits) -> str:
    """`by ann since 2026-11-28 18:15:03 UTC: their night batch`."""
    since = "" if found.since_ms is None else f" since {utc(found.since_ms)}"
    return f"by {found.by}{since}" + (f": {found.why}" if found.why else "")


def _if_known(shown: Callable[..., str]) -> Callable[..., str]:
    """A filter that leaves open what a damaged record does not say."""

    def known(value: float | None, *more: int) -> str:
        return "not known" if value is None else shown(value, *more)

    return known


FILTERS = {
    "number": number,
    "short": short,
    "span": _if_known(span),
    "ago": _if_known(ago),
    "utc": _if_known(utc),
    "since": since,
    "clock": _if_known(clock),
    "percent": percent,
    "means": means,
    "limits": limits,
    "by_whom": by_whom,
    "rfc3339": _if_known(rfc3339),
}
