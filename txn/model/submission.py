"""A transaction as a client hands it in: parsed, checked, and ready to be stored."""

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from txn.errors import Invalid
from txn.model.content import dumps, fingerprint
from txn.model.field_errors import sentence
from txn.model.ids import KEY_HEADER, checked_key, is_version_5, named
from txn.model.json_body import parse_json
from txn.model.money import rounded
from txn.model.new_transaction import NewTransaction

#: What is wrong with one field and is found at another -> the one.
_ELSEWHERE = {"decimals": "amount", "key": KEY_HEADER}
#: So many wrong fields are named.
MAX_ERRORS = 20

#: As `dumps` writes it: what is in it was written before, or needs no escaping.
_PAYLOAD = b'{"amount":%b,"currency":"%b","description":%b,"metadata":%b}'


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
    amount = rounded(form.amount, form.currency)
    content = {
        "amount": amount,
        "currency": form.currency,
        "description": form.description,
        "metadata": form.metadata.value,
    }
    if client and form.id is not None and is_version_5(form.id):
        raise Invalid("id", "must not be a UUID of version 5, which ids made of keys are: send an Idempotency-Key")
    own_id, named_by = named(form.id, idempotency_key, client)
    return Submission(
        own_id,
        named_by,
        _PAYLOAD % (str(amount).encode(), form.currency.encode(), dumps(form.description), form.metadata.written),
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


def _check(value: Any, key: str | None = None) -> NewTransaction:
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
