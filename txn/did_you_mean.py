"""What a misspelt word was meant to be."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean rejected?`, to be put behind an error, or nothing if none of the known words is like it."""
    alike = get_close_matches(word, list(known), n=1)
    return f"; did you mean {alike[0]}?" if alike else ""
