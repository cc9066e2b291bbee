"""What /openapi.json says of /api/operate."""

from typing import Any

from txn.api import shapes
from txn.api.describe import ALWAYS, answer, content, operation, parameter
from txn.api.operate import letters
from txn.api.operate.flow import NewLimits, NewPause
from txn.operate.operations import MAX_WHY

_READ = (*ALWAYS, 503)
_WRITE = (*ALWAYS, 413, 415, 503)


def _sent(model: Any) -> dict[str, Any]:
    return {"required": True, "content": content(model)}


_NOW = {200: answer("as it is now", shapes.FlowControl)}
_WHY_SCHEMA = {"type": "string", "maxLength": MAX_WHY}
_WHY = parameter("query", "why", "the reason, for the journal", _WHY_SCHEMA, required=False)


def _whole(name: str, most: int, usual: int) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": usual}
    return parameter("query", name, "how many at most", schema, required=False)


_FIELDS = letters.Which.model_json_schema()["properties"]
_WHICH = [
    parameter("query", name, schema.get("description", ""), schema, required=False) for name, schema in _FIELDS.items()
]
_BEFORE = parameter(
    "query",
    "before",
    "the `next` of the answer before",
    {"type": "string", "pattern": "^-?[0-9]{1,14}$"},
    required=False,
)

PATHS: dict[str, Any] = {
    "/api/operate/pause": {
        "get": operation("readPause", "Do deliveries go out?", _NOW, _READ),
        "put": operation("pause", "Let nothing go out", _NOW, _WRITE, requestBody=_sent(NewPause)),
        "delete": operation("resume", "Let deliveries go out again", _NOW, _READ),
    },
    "/api/operate/limits": {
        "get": operation("readLimits", "How much goes out at a time, and how fast?", _NOW, _READ),
        "put": operation("limit", "Limit what goes out", _NOW, _WRITE, requestBody=_sent(NewLimits)),
        "delete": operation("removeLimits", "Take both limits away", _NOW, _READ, parameters=[_WHY]),
    },
    "/api/operate/failed": {
        "get": operation(
            "failed",
            "What failed, and nobody has dealt with?",
            {200: answer("the newest first", shapes.Letters)},
            _READ,
            parameters=[*_WHICH, _whole("limit", letters.MAX_LIMIT, letters.LIMIT), _BEFORE],
        ),
    },
    "/api/operate/replay": {
        "post": operation(
            "replay",
            "Send failed transactions on their way again",
            {200: answer("what became of each id", shapes.Replayed)},
            _WRITE,
            requestBody=_sent(letters.Chosen),
        ),
    },
    "/api/operate/discard": {
        "post": operation(
            "discard",
            "Take failed transactions off the list",
            {200: answer("what became of each id", shapes.Discarded)},
            _WRITE,
            requestBody=_sent(letters.Chosen),
        ),
    },
}
