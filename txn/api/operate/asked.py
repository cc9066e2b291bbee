"""What a request of an operator says: its parameters and its body. What is not known is refused, not overlooked."""

from collections.abc import Collection
from typing import Annotated, Any, TypeVar

import falcon
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictStr, ValidationError, WithJsonSchema
from pydantic.alias_generators import to_camel

from txn.api.body import read_body
from txn.errors import Invalid
from txn.model.field_errors import sentence
from txn.model.json_body import parse_json
from txn.model.moments import MOMENT_PATTERN, moment_ms
from txn.model.submission import MAX_ERRORS
from txn.operate.operations import MAX_WHY

MAX_BODY_BYTES = 64 * 1024

Why = Annotated[StrictStr, Field(max_length=MAX_WHY, description="for the journal, and for whoever finds it so")]
_MOMENT = {"type": ["string", "null"], "format": "date-time", "pattern": MOMENT_PATTERN}
#: A time, in ms since the epoch.
Moment = Annotated[int | None, BeforeValidator(moment_ms), WithJsonSchema(_MOMENT)]


class Form(BaseModel):
    """A body; names in JSON are in camel case."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")


_Form = TypeVar("_Form", bound=Form)


def form(request: falcon.Request, model: type[_Form]) -> _Form:
    """The body. Raises: Invalid."""
    return checked(parse_json(read_body(request, MAX_BODY_BYTES)), model)


def checked(value: Any, model: type[_Form]) -> _Form:
    """`value` as a form. Raises: Invalid, naming every field that is wrong."""
    if not isinstance(value, dict):
        raise Invalid("body", "must be a JSON object")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)[:MAX_ERRORS]
        fields = [field.alias or name for name, field in model.model_fields.items()]
        first, *others = [(".".join(map(str, one["loc"]))[:100] or "body", sentence(one, fields)) for one in found]
        raise Invalid(*first, others=others) from None


def parameters(request: falcon.Request, known: Collection[str]) -> dict[str, str]:
    """Each once. Raises: Invalid."""
    asked: dict[str, str] = {}
    for name, value in request.params.items():
        if name not in known:
            which = f"{', '.join(known)} are" if known else "it has none"
            raise Invalid(name[:100], f"is not a parameter of this address: {which}")
        if not isinstance(value, str):
            raise Invalid(name, "was given more than once")
        asked[name] = value
    return asked


def limit_of(asked: dict[str, str], usual: int, most: int) -> int:
    """How many to answer with at most. Raises: Invalid."""
    text = asked.get("limit", str(usual))
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and 1 <= int(text) <= most):
        raise Invalid("limit", f"must be a whole number from 1 to {most}")
    return int(text)


def answer(response: falcon.Response, body: bytes) -> None:
    """200 with JSON."""
    response.content_type = falcon.MEDIA_JSON
    response.data = body
