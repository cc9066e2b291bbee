"""What a client sends: each of its fields, its check, and what /openapi.json says of it."""

import re
from decimal import Decimal
from typing import Annotated, Any, LiteralString, NamedTuple

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StrictStr,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from txn.errors import Invalid
from txn.model.content import dumps
from txn.model.ids import ID_SCHEMA, checked_id
from txn.model.moments import MOMENT_PATTERN, moment_ms
from txn.model.money import DECIMALS, MAX_AMOUNT, rounded
from txn.model.unheld import Unheld

MAX_METADATA_ENTRIES = 50
MAX_METADATA_BYTES = 8 * 1024

_DECIMAL_STRING = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?", re.ASCII)
#: More digits than this cannot be an amount, and Decimal arithmetic would begin to round.
_MAX_DIGITS = 28

#: PostgreSQL, for one, has no text and no JSON with it: the posting service could only fail, again and again. All other
#: characters that UTF-8 can hold can be stored.
_NO_NUL: LiteralString = "must not hold the character U+0000"
_AMOUNT_LIMIT: LiteralString = "must be more than 0 and at most 99999999.99"


def _amount(value: Any) -> Decimal:
    if isinstance(value, Unheld):
        raise PydanticCustomError("amount", _AMOUNT_LIMIT)
    if isinstance(value, bool) or not isinstance(value, (int, Decimal, str)):
        raise PydanticCustomError("amount", "must be a number or a decimal string, such as 100.50")
    if isinstance(value, str) and not _DECIMAL_STRING.fullmatch(value):
        raise PydanticCustomError("amount", "must be a number or a decimal string, such as 100.50")
    amount = Decimal(value)
    if not 0 < amount <= MAX_AMOUNT:
        raise PydanticCustomError("amount", _AMOUNT_LIMIT)
    _, digits, exponent = amount.as_tuple()
    if len(digits) > _MAX_DIGITS or int(exponent) < -_MAX_DIGITS:
        raise PydanticCustomError("amount", "has too many digits")
    return amount


def _currency(value: Any, info: ValidationInfo) -> str:
    if not isinstance(value, str) or value not in DECIMALS:
        raise PydanticCustomError("currency", "must be an ISO 4217 code in capitals, such as USD")
    amount = info.data.get("amount")  # None, if it is wrong itself
    if amount is not None and rounded(amount, value) != amount:
        said = {"decimals": DECIMALS[value], "currency": value}
        raise PydanticCustomError("decimals", "must have at most {decimals} decimals in {currency}", said)
    return value


class Metadata(NamedTuple):
    """An object, and the JSON that it is."""

    value: dict[str, Any]
    written: bytes


def _metadata(value: Any) -> Metadata:
    if value is None:
        return _no_metadata()
    if not isinstance(value, dict):
        raise PydanticCustomError("metadata", "must be a JSON object")
    if len(value) > MAX_METADATA_ENTRIES:
        raise PydanticCustomError("metadata", "must have at most 50 entries")
    try:
        written = dumps(value)
    except (ValueError, TypeError):
        raise PydanticCustomError("metadata", "contains a number or text that JSON cannot represent") from None
    if len(written) > MAX_METADATA_BYTES:
        raise PydanticCustomError("metadata", "must be at most 8192 bytes of JSON")
    if b"\\u0000" in written and _holds_nul(value):
        raise PydanticCustomError("metadata", _NO_NUL)
    return Metadata(value, written)


def _no_metadata() -> Metadata:
    return Metadata({}, b"{}")


def _holds_nul(value: Any) -> bool:
    match value:
        case dict():
            return any("\x00" in key or _holds_nul(item) for key, item in value.items())
        case list():
            return any(map(_holds_nul, value))
    return isinstance(value, str) and "\x00" in value


def _description(value: str) -> str:
    if "\x00" in value:
        raise PydanticCustomError("description", _NO_NUL)
    return value


def _own_id(value: Any, info: ValidationInfo) -> str | None:
    """`info.context`: the idempotency key, or None."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise PydanticCustomError("id", "must be a string")
    try:
        checked_id(value)
    except Invalid as error:
        raise PydanticCustomError("id", str(error)) from None
    if info.context is not None and info.context != value:
        raise PydanticCustomError("key", "differs from the id in the body: send one of them, or both equal")
    return value


def _url(value: Any) -> str | None:
    """Where it may lead is for who takes it to say."""
    if value is not None and (not isinstance(value, str) or not value):
        raise PydanticCustomError("url", "must be a URL")
    return value


_OWN_ID_SCHEMA = ID_SCHEMA | {"type": ["string", "null"], "description": "your own id"}
_AMOUNT_SCHEMA = {
    "anyOf": [
        {"type": "number", "minimum": 0.01, "maximum": float(MAX_AMOUNT)},
        {"type": "string", "pattern": r"^0{0,9}([1-9][0-9]{0,7}(\.[0-9]{1,2}0{0,9})?|0\.(0[1-9]|[1-9][0-9]?)0{0,9})$"},
    ],
    "description": "with at most the decimals that the currency has, never more than two; at most 99999999.99",
}
_METADATA_SCHEMA = {
    "type": ["object", "null"],
    "maxProperties": MAX_METADATA_ENTRIES,
    "description": "at most 8192 bytes of JSON",
}
_DELIVER_BY_SCHEMA = {
    "type": ["string", "null"],
    "format": "date-time",
    "pattern": MOMENT_PATTERN,
    "description": "no POST begins after it; it is refused if it is over",
}
_CALLBACK_SCHEMA = {
    "type": ["string", "null"],
    "format": "uri",
    "minLength": 1,
    "maxLength": 2048,
    "description": "told when it is completed or failed, if its host is allowed here (TXN_CALLBACK_HOSTS)",
}
#: Currencies without decimals.
_WHOLE_UNITS: dict[str, Any] = {
    "if": {"properties": {"currency": {"enum": sorted(name for name, digits in DECIMALS.items() if digits == 0)}}},
    "then": {"properties": {"amount": {"multipleOf": 1, "pattern": r"^[0-9]+(\.0+)?$"}}},
}


class NewTransaction(BaseModel):
    """What a client sends. The schema beside each field is what /openapi.json says of it."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_WHOLE_UNITS)

    id: Annotated[str | None, BeforeValidator(_own_id), WithJsonSchema(_OWN_ID_SCHEMA)] = None
    amount: Annotated[Decimal, BeforeValidator(_amount), WithJsonSchema(_AMOUNT_SCHEMA)]
    currency: Annotated[str, BeforeValidator(_currency), WithJsonSchema({"enum": sorted(DECIMALS)})]
    description: Annotated[StrictStr, Field(min_length=1, max_length=255), AfterValidator(_description)]
    metadata: Annotated[Metadata, PlainValidator(_metadata), WithJsonSchema(_METADATA_SCHEMA)] = Field(
        default_factory=_no_metadata
    )
    #: Many clients send one, in many forms. It is no content: `submittedAt` is what the posting service gets.
    timestamp: Annotated[Any, Field(description="accepted and ignored")] = None
    deliver_by: Annotated[int | None, BeforeValidator(moment_ms), WithJsonSchema(_DELIVER_BY_SCHEMA)] = Field(
        default=None, alias="deliverBy"
    )
    callback_url: Annotated[str | None, BeforeValidator(_url), WithJsonSchema(_CALLBACK_SCHEMA)] = Field(
        default=None, alias="callbackUrl"
    )
