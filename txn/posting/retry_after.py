"""How long an answer asks us to wait."""

import email.utils
from datetime import UTC


def wait_ms(text: str, wall_s: float) -> int:
    """Of a `Retry-After` at the time `wall_s`: seconds, or an HTTP date in any of its three forms.

    A date is GMT whether it says so or not. 0 for none, nonsense or the past.
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        return int(text[:9]) * 1000
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0
    moment_s = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return max(0, round((moment_s - wall_s) * 1000))
