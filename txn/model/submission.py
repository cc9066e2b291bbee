"""A transaction as a client hands it in: parsed, checked, and ready to be stored."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, LiteralString

import iso4217
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictStr,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from txn.errors import Invalid
from txn.model.content import dumps, fingerprint, loads
from txn.model.ids import ID_SCHEMA, KEY_HEADER, checked_id, checked_key, is_version_5, named
from txn.model.unheld import Unheld, loads_marked
from txn.model.wrong import sentence

MAX_AMOUNT = Decimal("99999999.99")
MAX_METADATA_ENTRIES = 50
MAX_METADATA_BYTES = 8 * 1024

#: What the posting service can hold after the point.
POSTING_DECIMALS = 2

#: RFC 3339, with a zone; and as a schema says it.
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
MOMENT_PATTERN = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$"
_EPOCH = datetime.fromtimestamp(0, UTC)
_NO_TIME: LiteralString = "must be an RFC 3339 time with its zone, such as 2026-11-28T18:15:00Z"
_DECIMAL_STRING = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?", re.ASCII)
#: Where jiter stopped, and what a key of ours looks like.
_PLACE = re.compile(r"line (\d+) column (\d+)")
#: What jiter says of an exponent that Python's decimals cannot hold.
_INTERNAL = re.compile(r'Internal error: "InvalidOperation.*?"')
#: Numbers at which parsing can fail although they are JSON.
_TOO_LONG = re.compile(rb"[0-9]{4000}|[eE][+-]?[0-9]{10}")
_JSON_KEY = re.compile(rb'"([a-z]{1,20})"\s*:')
#: More digits than this cannot be an amount, and Decimal arithmetic would begin to round.
_MAX_DIGITS = 28

#: PostgreSQL, for one, has no text and no JSON with it: the posting service could only fail, again and again. All other
#: characters that UTF-8 can hold can be stored.
_NO_NUL: LiteralString = "must not hold the character U+0000"
_AMOUNT_LIMIT: LiteralString = "must be more than 0 and at most 99999999.99"

#: What is wrong with one field and is found at another -> the one.
_ELSEWHERE = {"decimals": "amount", "key": KEY_HEADER}
#: So many wrong fields are named.
MAX_ERRORS = 20

#: Currency code -> digits after the point that both the currency and the posting service allow.
DECIMALS = {
    currency.code: POSTING_DECIMALS if currency.exponent is None else min(currency.exponent, POSTING_DECIMALS)
    for currency in iso4217.Currency
}


@dataclass(frozen=True, slots=True)
class Submission:
    """An accepted form of what the client sent.

    `payload` is the JSON object {amount, currency, description, metadata} that the posting service will get;
    `named_by` says where the id comes from: `id` (the client's), `key` (the idempotency key) or `random`.
    `deliver_by_ms`: no POST begins after that; it is no content.
    `client`: who sends it; empty for the one without a name.
    `trace`: the `traceparent` that it came with, or empty; it is no content either.
    `callback`: where its end is to be told, as it was sent or as the record has it, or empty; no content either.
    """

    id: str
    named_by: str
    payload: bytes
    fingerprint: str
    client: str = ""
    deliver_by_ms: int | None = None
    trace: str = ""
    callback: str = ""


def parse_submission(body: bytes, idempotency_key: str | None = None, client: str = "") -> Submission:
    """Check a request's body and key.

    Raises: Invalid, naming every field that is wrong, the first one first.
    """
    try:
        if idempotency_key is not None:
            checked_key(idempotency_key)
    except Invalid as error:
        raise with_what_else_is_wrong(error, body) from None
    return submission_of(parse_json(body, _check), idempotency_key, client)


def submission_of(value: Any, idempotency_key: str | None = None, client: str = "") -> Submission:
    """Check parsed JSON and a key.

    Raises: Invalid, naming every field that is wrong, the first one first.
    """
    if idempotency_key is not None:
        checked_key(idempotency_key)
    form = _check(value, idempotency_key)
    content = {
        "amount": _rounded(form.amount, form.currency),
        "currency": form.currency,
        "description": form.description,
        "metadata": form.metadata,
    }
    if client and form.id is not None and is_version_5(form.id):
        raise Invalid("id", "must not be a UUID of version 5, which ids made of keys are: send an Idempotency-Key")
    own_id, named_by = named(form.id, idempotency_key, client)
    return Submission(
        own_id,
        named_by,
        dumps(content),
        fingerprint(content),
        client,
        form.deliver_by,
        callback=form.callback_url or "",
    )


def with_what_else_is_wrong(error: Invalid, body: bytes) -> Invalid:
    """`error`, found before the body was looked at, and what is wrong in the body."""
    try:
        _check(parse_json(body, _check))
    except Invalid as others:
        error.errors += others.errors
    return error


def parse_json(body: bytes, check: Callable[[Any], object] | None = None) -> Any:
    """The value that a request's body is. `check` looks at one in which only a number is too large to be parsed.

    Raises: Invalid, saying where it is no JSON.
    """
    try:
        return loads(body)
    except ValueError as error:
        if check and _TOO_LONG.search(body):
            _check_numbers(body, check)
        why = _INTERNAL.sub("number too large", str(error))
        raise Invalid(_field_near(body, str(error)), f"is not valid JSON: {why}", code="invalid_json") from None


def _check_numbers(body: bytes, check: Callable[[Any], object]) -> None:
    """Where only a number is too large to be parsed, say of its field what is wrong with it. Raises: Invalid."""
    try:
        value = loads_marked(body)
    except ValueError:
        return
    check(value)


def _field_near(body: bytes, message: str) -> str:
    """The last key before the place where parsing stopped, or `body`."""
    place = _PLACE.search(message)
    if not place or message.startswith("trailing"):
        return "body"
    line, column = int(place[1]), int(place[2])
    lines = body.split(b"\n")[:line]
    lines[-1] = lines[-1][:column]
    keys: list[bytes] = _JSON_KEY.findall(b"\n".join(lines))
    return keys[-1].decode() if keys else "body"


def _check(value: Any, key: str | None = None) -> "NewTransaction":
    if not isinstance(value, dict):
        raise Invalid("body", "must be a JSON object")
    try:
        return NewTransaction.model_validate(value, context=key)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        first, *others = map(_field_and_sentence, found[:MAX_ERRORS])
        raise Invalid(*first, others=others) from None


def _field_and_sentence(details: ErrorDetails) -> tuple[str, str]:
    where = _ELSEWHERE.get(details["type"]) or ".".join(str(part) for part in details["loc"]) or "body"
    return where[:100], sentence(details, _fields())


def _fields() -> list[str]:
    return [field.alias or name for name, field in NewTransaction.model_fields.items()]


def _rounded(amount: Decimal, currency: str) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-DECIMALS[currency]))


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
    if len(amount.as_tuple().digits) > _MAX_DIGITS or int(amount.as_tuple().exponent) < -_MAX_DIGITS:
        raise PydanticCustomError("amount", "has too many digits")
    return amount


def _currency(value: Any, info: ValidationInfo) -> str:
    if not isinstance(value, str) or value not in DECIMALS:
        raise PydanticCustomError("currency", "must be an ISO 4217 code in capitals, such as USD")
    amount = info.data.get("amount")  # None, if it is wrong itself
    if amount is not None and _rounded(amount, value) != amount:
        said = {"decimals": DECIMALS[value], "currency": value}
        raise PydanticCustomError("decimals", "must have at most {decimals} decimals in {currency}", said)
    return value


def _metadata(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
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
    return value


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


def moment_ms(value: Any) -> int | None:
    """A time of a request, in ms since the epoch, rounded down: never later than what was said. For pydantic."""
    if value is None:
        return None
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise PydanticCustomError("moment", _NO_TIME)
    try:
        # In UTC, or it could be one in the year 10000, which no answer could show.
        return (datetime.fromisoformat(value.upper()).astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        raise PydanticCustomError("moment", _NO_TIME) from None


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
    metadata: Annotated[dict[str, Any], BeforeValidator(_metadata), WithJsonSchema(_METADATA_SCHEMA)] = Field(
        default_factory=dict
    )
    #: Many clients send one, in many forms. It is no content: `submittedAt` is what the posting service gets.
    timestamp: Annotated[Any, Field(description="accepted and ignored")] = None
    deliver_by: Annotated[int | None, BeforeValidator(moment_ms), WithJsonSchema(_DELIVER_BY_SCHEMA)] = Field(
        default=None, alias="deliverBy"
    )
    callback_url: Annotated[str | None, BeforeValidator(_url), WithJsonSchema(_CALLBACK_SCHEMA)] = Field(
        default=None, alias="callbackUrl"
    )
