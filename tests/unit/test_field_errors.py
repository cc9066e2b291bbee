from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, StrictInt, StrictStr, ValidationError

from txn.errors import Invalid
from txn.model.field_errors import _SENTENCES, sentence
from txn.model.submission import parse_submission

BODY = '{"amount": "1", "currency": "USD", "description": "x"%s}'


def errors(body: str) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as raised:
        parse_submission(body.encode())
    return list(raised.value.errors)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{}", [("amount", "is missing"), ("currency", "is missing"), ("description", "is missing")]),
        (BODY % ', "curency": 1', [("curency", "is not a field of this; did you mean currency?")]),
        (BODY % ', "deliverby": null', [("deliverby", "is not a field of this; did you mean deliverBy?")]),
        (BODY % ', "zzz": 1', [("zzz", "is not a field of this")]),
        (BODY.replace('"x"', "1") % "", [("description", "must be a string")]),
        (BODY.replace('"x"', '""') % "", [("description", "must have at least one character")]),
        (BODY.replace('"x"', f'"{"x" * 256}"') % "", [("description", "must have at most 255 characters")]),
        (BODY.replace('"1"', '"1,5"') % "", [("amount", "must be a number or a decimal string, such as 100.50")]),
    ],
)
def test_each_fault_is_said_in_words_for_people(body: str, said: list[tuple[str, str]]) -> None:
    assert errors(body) == said


class Every(BaseModel, extra="forbid"):
    text: Annotated[StrictStr, Field(min_length=2, max_length=3)]
    number: Annotated[StrictInt, Field(ge=1, le=3)]
    shape: Annotated[StrictStr, Field(pattern="^a$")] = "a"
    many: Annotated[list[int], Field(min_length=1, max_length=2)]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"text": "", "number": 0, "many": [], "txt": 1},
        {"text": "long", "number": 4, "shape": "b", "many": [1, 2, 3]},
        {"text": 1, "number": "1", "many": 1},
    ],
)
def test_every_sentence_can_be_put_together(wrong: Any) -> None:
    with pytest.raises(ValidationError) as raised:
        Every.model_validate(wrong)
    for details in raised.value.errors():
        assert details["type"] in _SENTENCES
        assert "{" not in sentence(details, ["text"])
