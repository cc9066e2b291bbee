"""What is wrong with a field, in our words: pydantic's own are for programmers."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import ErrorDetails

from txn.did_you_mean import did_you_mean

_SENTENCES: Mapping[str, str] = {
    "missing": "is missing",
    "extra_forbidden": "is not a field of this",
    "string_type": "must be a string",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "list_type": "must be an array",
    "dict_type": "must be a JSON object",
    "model_type": "must be a JSON object",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}


def sentence(details: ErrorDetails, fields: Iterable[str]) -> str:
    """To be read behind the field's name. `fields`: those that there are, in case one was misspelt."""
    kind = details["type"]
    context: Mapping[str, Any] = details.get("ctx", {})
    if kind not in _SENTENCES:
        return details["msg"]
    said = _SENTENCES[kind].format_map(context).replace("at least 1 characters", "at least one character")
    said = said.replace("at least 1 entries", "at least one entry")
    return said + did_you_mean(str(details["loc"][-1]), fields) if kind == "extra_forbidden" else said
