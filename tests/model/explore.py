"""Looks at every state of a model that can be reached, the nearest first."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

S = TypeVar("S", bound=Hashable)


@dataclass(frozen=True)
class Explored:
    """`broken` promise and the shortest `story` that breaks it, or none; `states` looked at."""

    broken: str | None
    story: tuple[str, ...]
    states: int


def explore(
    start: S,
    moves: Callable[[S], Iterable[tuple[str, S, bool]]],
    broken: Callable[[S, S, str], str | None],
    is_end: Callable[[S], bool],
) -> Explored:
    """Every state; and from each, without further faults, whether it ends.

    `moves` of a state: what happens, the state after it, and whether that is a fault. `broken`: the promise that a move
    from one state to another breaks.
    """
    came_from: dict[S, tuple[S | None, str]] = {start: (None, "")}
    before: dict[S, list[S]] = {}
    todo = [start]
    for state in todo:
        for what, after, fault in moves(state):
            if promise := broken(state, after, what):
                return Explored(promise, (*_story(came_from, state), what), len(came_from))
            if after not in came_from:
                came_from[after] = (state, what)
                todo.append(after)
            if not fault:
                before.setdefault(after, []).append(state)
    endless = _endless(came_from, before, is_end)
    if endless is not None:
        return Explored("never ends", _story(came_from, endless), len(came_from))
    return Explored(None, (), len(came_from))


def tell(protections: Any, check: Callable[[Any], Explored]) -> None:
    """Print what goes wrong with all protections, a dataclass of booleans, and without each of them."""
    for name in ("", *protections.__dataclass_fields__):
        found = check(replace(protections, **{name: False} if name else {}))
        what = f"without {name}" if name else "all protections"
        print(f"{what}: {found.broken or 'nothing breaks'} ({found.states} states)")
        if found.story:
            print("    " + " | ".join(found.story))


def _endless(
    states: Mapping[S, tuple[S | None, str]], before: Mapping[S, list[S]], is_end: Callable[[S], bool]
) -> S | None:
    """The first state from which nothing leads to an end."""
    ends = {state for state in states if is_end(state)}
    todo = list(ends)
    while todo:
        for state in before.get(todo.pop(), ()):
            if state not in ends:
                ends.add(state)
                todo.append(state)
    return next((state for state in states if state not in ends), None)


def _story(came_from: Mapping[S, tuple[S | None, str]], state: S) -> tuple[str, ...]:
    story = []
    while (step := came_from[state])[0] is not None:
        story.append(step[1])
        state = step[0]
    return tuple(reversed(story))
