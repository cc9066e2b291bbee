"""Times as people write them at the command line."""

import re
from datetime import UTC, datetime, timedelta

from txn.errors import Invalid

#: `1h30m`, `2d`, `90s`: whole numbers, the largest unit first.
_LENGTH = re.compile(r"(?:(\d{1,5})d)?(?:(\d{1,5})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?")
_UNITS_MS = (86_400_000, 3_600_000, 60_000, 1_000)
_DAYS = {"today": 0, "yesterday": 1}
_DAY_IN_MS = 86_400_000


def length_ms(text: str) -> int | None:
    """A length of time in ms; None if it is none."""
    found = _LENGTH.fullmatch(text)
    if found is None or not text:
        return None
    return sum(int(number or 0) * unit_ms for number, unit_ms in zip(found.groups(), _UNITS_MS, strict=True))


def past(option: str, text: str, now: datetime, *, until: bool = False) -> str:
    """A time that is over, in UTC, as the filter of dead letters reads it; a whole day ends with its last millisecond.

    Raises: Invalid, naming the option.
    """
    text = text.strip()
    if not text:
        return ""
    if (ago_ms := length_ms(text.removesuffix("ago").replace(" ", ""))) is not None:
        return _iso(max(datetime(1970, 1, 1, tzinfo=UTC), now - timedelta(milliseconds=ago_ms)))
    try:
        return _day(text, now, until=until) or _moment(text.removesuffix("Z"), until=until)
    except (ValueError, OverflowError):
        way = "give a time ago (30m, 1h30m, 2d), or a time in UTC (02:00, yesterday, yesterday 18:00, 2026-11-23T18:15)"
        raise Invalid(option, f"{option} {text}: {way}") from None


def _day(text: str, now: datetime, *, until: bool) -> str:
    """`yesterday`, `yesterday 18:00`, `02:00`; nothing if it is none of these. Raises: ValueError."""
    word, _, rest = text.partition(" ")
    if word in _DAYS:
        day = (now - timedelta(days=_DAYS[word])).date()
        return f"{day}T{_clock(rest)}" if rest else _moment(str(day), until=until)
    if re.fullmatch(r"\d{1,2}:\d\d(:\d\d)?", text) is None:
        return ""
    found = f"{now.date()}T{_clock(text)}"
    is_ahead = datetime.fromisoformat(f"{found}+00:00") > now
    return f"{now.date() - timedelta(days=1)}T{_clock(text)}" if is_ahead else found


def _clock(text: str) -> str:
    """As ISO 8601 has it. Raises: ValueError."""
    form = "%H:%M:%S" if text.count(":") > 1 else "%H:%M"
    return f"{datetime.strptime(text, form):{form}}"  # noqa: DTZ007  (a time of day)


def _moment(text: str, *, until: bool) -> str:
    """Raises: ValueError."""
    found = datetime.fromisoformat(text)
    if len(text) > len("2026-11-23"):
        return text
    return _iso(found + timedelta(milliseconds=_DAY_IN_MS - 1)) if until else _iso(found)


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}"
