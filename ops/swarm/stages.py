"""How many users there are when. Each makes one request a second, so users are requests a second."""

#: Up to this part of the run: this part of the rate.
RAMP = [(0.1, 0.25), (0.2, 0.5), (0.3, 0.75)]
#: With no users left: distributed workers report every 3 s what was acknowledged.
DRAIN_S = 5.0
#: A stage begins at the next tick of a second, and its users one after another within the next.
SETTLED_S = 2.0


def users_at(run_time_s: float, rate: int, seconds: float) -> int | None:
    """Users wanted at this time of the run; None: it is over."""
    if run_time_s >= seconds:
        return 0 if run_time_s < seconds + DRAIN_S else None
    for until, part in RAMP:
        if run_time_s < until * seconds:
            return max(1, round(part * rate))
    return rate


def full_seconds(began: float, seconds: float) -> range:
    """The whole seconds of the clock in which the full rate is there, for a run that began at `began` (Unix time)."""
    return range(int(began + RAMP[-1][0] * seconds + SETTLED_S) + 1, int(began + seconds))


def achieved(requests: dict[int, int], seconds: range) -> float | None:
    """Requests a second over these seconds, from locust's counts by second; None if there was no such second."""
    if not seconds:
        return None
    return sum(requests.get(second, 0) for second in seconds) / len(seconds)
