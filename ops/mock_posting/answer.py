"""What the posting service says."""

from typing import NamedTuple


class Answer(NamedTuple):
    """`body`: JSON, or a page if `html`. `broken_off`: the connection is closed in the middle of it."""

    status: int
    body: bytes
    retry_after_s: int | None = None
    broken_off: bool = False
    html: bool = False
