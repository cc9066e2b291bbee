"""Geometry of the charts; the macros in templates/macros.html draw them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

#: Charts are stretched to the page's width, so these are units, not pixels.
WIDTH = 600
HEIGHT = 100


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: left edge, width, and what stands in it from the bottom up (`heights`, in the order of the series)."""

    left: float
    width: float
    heights: tuple[float, ...]


def nice(value: float, least: float = 1) -> float:
    """The next 1, 2 or 5 times a power of ten: where an axis may end."""
    value = max(value, least)
    power = 10.0 ** floor(log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * 0.999999)


def bars(series: Sequence[Sequence[float]], top: float) -> list[Bar]:
    """Bars of several series on top of each other. What is not nothing is at least a hair high."""
    step = WIDTH / max(1, len(series[0]))
    return [
        Bar(place * step + step * 0.1, step * 0.8, tuple(max(v / top * HEIGHT, 1.5) if v else 0 for v in column))
        for place, column in enumerate(zip(*series, strict=True))
    ]


def path(heights: Sequence[float | None]) -> str:
    """An SVG path through the middles of the columns, interrupted where there is none. 0: the bottom, 1: the top."""
    step = WIDTH / max(1, len(heights))
    parts, pen_up = [], True
    for place, height in enumerate(heights):
        if height is None:
            pen_up = True
            continue
        point = f"{(place + 0.5) * step:.1f} {HEIGHT * (1 - min(max(height, 0), 1)):.1f}"
        # A line of no length, with round ends, is the dot that a lonely value needs.
        parts.append(f"M{point}l0 0" if pen_up else f"L{point}")
        pen_up = False
    return "".join(parts)


def ticks(top: float) -> list[float]:
    """What is written beside an axis that begins at 0, from the top down."""
    return [top, top / 2, 0]


@dataclass(frozen=True, slots=True)
class Decades:
    """An axis of powers of ten, an even number of them: its middle is one too. One slow minute hides nothing."""

    low: int
    high: int

    @classmethod
    def around(cls, values: Sequence[float]) -> "Decades":
        """The axis on which all values (1 or more) have their place."""
        low = floor(log10(max(1, min(values, default=10))))
        high = max(low + 2, ceil(log10(max(1, max(values, default=10)))))
        return cls(low, high + (high - low) % 2)

    def height(self, value: float) -> float:
        """0 at the bottom, 1 at the top."""
        return (log10(max(1, value)) - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """What is written beside it, from the top down."""
        return [10.0**power for power in (self.high, (self.low + self.high) // 2, self.low)]
