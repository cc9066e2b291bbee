"""What can go wrong with a request, and in which order it does for one id."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

PostFault = Literal[
    "ok",
    "fail_before",  # 500, nothing is written
    "fail_after",  # written, then 500
    "hang_write",  # written after hang_ms, whether the caller is still there or not, and answered only then
    "hang_until_released",  # the same, but when the control port says so
    "truncate",  # written, then an answer that breaks off
    "reject",  # 400, nothing is written
    "throttle",  # 429 with Retry-After, nothing is written
    "unavailable",  # 503 with Retry-After, nothing is written
    "page",  # 200 with a firewall's page, nothing is written
    "decline",  # 201 with JSON that says no, nothing is written
    "bare",  # written, then 201 without a body
    "reject_after",  # written, then 400
]
GetFault = Literal[
    "ok",
    "fail",  # 500
    "missing",  # 404, whatever the table holds
    "hang",  # answered when the control port says so
    "truncate",  # an answer that breaks off
    "throttle",  # 429 with Retry-After
    "unavailable",  # 503 with Retry-After
    "other_json",  # 200 with JSON that is no row
    "other_row",  # 200 with somebody else's row of equal content, if there is one of ours
]


class Script(BaseModel):
    """Faults for the next POSTs and GETs of one id, one each; after the lists: ok."""

    model_config = ConfigDict(extra="forbid")

    post: list[PostFault] = []
    get: list[GetFault] = []
