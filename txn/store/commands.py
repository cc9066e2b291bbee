"""Calls of scripts on their way to Redis. Those of one script that differ in nothing but their id are sent as one.

A script for many ids has what is each id's own behind its other arguments, and one reply for each; the error of one id
stands in its place.
"""

from collections.abc import Sequence
from typing import Any

import hiredis

Argument = str | bytes | int

#: Ids of one call at most: the server runs it without looking at anybody else.
MOST_IDS = 64


class Command:
    """`words`: the command as it is sent; without what is the id's `own`, if it can be sent together with others.

    What its caller has made is packed at once: what cannot be packed fails nobody else.
    """

    __slots__ = ("own", "packed", "width", "words")

    def __init__(self, words: tuple[Argument, ...], own: Sequence[Argument] | None = None) -> None:
        self.words, self.own, self.packed, self.width = words, b"", b"", 0
        if own is None:
            self.packed = hiredis.pack_command(words)  # type: ignore[arg-type]  # see below
        else:
            packed = hiredis.pack_command(tuple(own))  # type: ignore[arg-type]  # its types know tuples of one length only
            self.own, self.width = packed[packed.index(b"\n") + 1 :], len(own)


class Merged:
    """Commands, and what is sent in their place."""

    def __init__(self, commands: Sequence[Command]) -> None:
        self._commands = commands
        self._places: list[list[int]] = []
        open_: dict[object, list[int]] = {}
        for number, command in enumerate(commands):
            if not command.width:
                self._places.append([number])
                continue
            # The script, and the first of its keys: the others follow from it.
            kind = command.words[1:4]
            place = open_.get(kind)
            if place is None or len(place) >= MOST_IDS:
                place = open_[kind] = []
                self._places.append(place)
            place.append(number)

    def packed(self) -> list[bytes]:
        """What to send."""
        return [self._packed(place) for place in self._places]

    def _packed(self, place: Sequence[int]) -> bytes:
        commands = [self._commands[number] for number in place]
        if not commands[-1].width:
            return commands[-1].packed
        words = commands[-1].words
        packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type]
        count = len(words) + sum(command.width for command in commands)
        head = b"*%d\r\n" % count, packed[packed.index(b"\n") + 1 :]
        return b"".join((*head, *(command.own for command in commands)))

    def spread(self, replies: Sequence[Any]) -> list[Any]:
        """The reply of each command, from the replies to what was sent."""
        found: list[Any] = [None] * len(self._commands)
        for place, reply in zip(self._places, replies, strict=True):
            of_each = self._commands[place[0]].width and isinstance(reply, list)
            for number, one in zip(place, reply if of_each else [reply] * len(place), strict=True):
                found[number] = one
        return found
