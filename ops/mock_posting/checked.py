"""What comes from outside: taken, or refused in words."""

from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

Checked = TypeVar("Checked", bound=BaseModel)


class BadFaults(ValueError):
    """Names the field that is wrong and the fields there are."""


def checked(model: type[Checked], value: Any) -> Checked:
    """Raises: BadFaults."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        wrong = "; ".join(_sentence(one["loc"], one["msg"]) for one in error.errors())
        raise BadFaults(f"{wrong} (known: {', '.join(model.model_fields)})") from None


def _sentence(where: Iterable[str | int], message: str) -> str:
    message = {"Extra inputs are not permitted": "unknown"}.get(message, message.removeprefix("Value error, "))
    name = ".".join(map(str, where))
    return f"{name}: {message}" if name else message
