"""What the charts of the overview show."""

from collections.abc import Sequence
from dataclasses import dataclass

from txn.admin import svg
from txn.readers import formats
from txn.readers.charts import Percentile, Span


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart, ready to draw. `bars` and `lines` belong to `legend`: (class, name), bars first.

    `labels`: the axis from the top down. `titles`: one for each column, shown under the pointer.
    """

    name: str
    legend: Sequence[tuple[str, str]]
    bars: Sequence[svg.Bar]
    lines: Sequence[str]
    labels: Sequence[str]
    titles: Sequence[str]
    starts: Sequence[int]


def flow(spans: Sequence[Span], minutes: int, now_ms: int) -> Chart:
    """Accepted, completed and failed, per minute. `minutes`: in one span; the last one is not over yet."""
    whole = [minutes] * (len(spans) - 1) + [max(1.0, (now_ms - spans[-1].start_ms) / 60_000)]
    done = [[span.completed / length for span, length in zip(spans, whole, strict=True)]]
    done.append([span.failed / length for span, length in zip(spans, whole, strict=True)])
    accepted = [span.accepted / length for span, length in zip(spans, whole, strict=True)]
    top = svg.nice(max(*accepted, *map(sum, zip(*done, strict=True))), least=2)
    # A minute that has just begun would look like an end of all submits.
    line = [rate / top for rate in accepted[:-1]] + [accepted[-1] / top if minutes > 1 else None]
    titles = [f"{span.accepted:,} accepted, {span.completed:,} completed, {span.failed:,} failed" for span in spans]
    return Chart(
        "Per minute",
        [("done", "completed"), ("dead", "failed"), ("in", "accepted")],
        svg.bars(done, top),
        [svg.path(line)],
        [formats.short(tick) for tick in svg.ticks(top)],
        _titles(spans, titles),
        [span.start_ms for span in spans],
    )


def latency(spans: Sequence[Span]) -> Chart:
    """Submit to completed: half of them, and 95 of 100, in powers of ten."""
    half, most = ([_ms(span.percentile(share)) for span in spans] for share in (0.5, 0.95))
    axis = svg.Decades.around([value for value in (*half, *most) if value is not None])
    lines = [[None if value is None else axis.height(value) for value in values] for values in (half, most)]
    titles = [
        f"p50 {formats.percentile(span.percentile(0.5))}, p95 {formats.percentile(span.percentile(0.95))}"
        for span in spans
    ]
    return Chart(
        "Submit to completed",
        [("half", "p50"), ("most", "p95")],
        [],
        [svg.path(line) for line in lines],
        [formats.decade(tick) for tick in axis.ticks()],
        _titles(spans, titles),
        [span.start_ms for span in spans],
    )


def errors(spans: Sequence[Span]) -> Chart:
    """Failed attempts / attempts."""
    rates = [span.error_rate for span in spans]
    top = svg.nice(max(rates), least=0.05)
    titles = [f"{span.failed_attempts:,} of {span.attempts:,} attempts failed" for span in spans]
    return Chart(
        "Error rate",
        [("dead", "failed attempts")],
        svg.bars([rates], top),
        [],
        [formats.percent(tick) for tick in svg.ticks(top)],
        _titles(spans, titles),
        [span.start_ms for span in spans],
    )


def _ms(percentile: Percentile | None) -> float | None:
    if percentile is None:
        return None
    return percentile.low_ms if percentile.estimate_ms is None else percentile.estimate_ms


def _titles(spans: Sequence[Span], said: Sequence[str]) -> list[str]:
    return [f"{formats.clock(span.start_ms)[:5]} UTC: {text}" for span, text in zip(spans, said, strict=True)]
