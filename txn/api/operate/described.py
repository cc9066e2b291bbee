"""What /openapi.json says of /api/operate."""

from typing import Any

from txn.api.describe import ALWAYS, answer, content, operation, parameter
from txn.api.operate import callbacks, letters, past, runs, shapes
from txn.api.operate.flow import NewLimits, NewPause
from txn.api.shapes import Problem
from txn.operate.bulk_runs import RUNS_KEPT
from txn.operate.callbacks import PLACE_PATTERN
from txn.operate.operations import MAX_WHY
from txn.server.problem import PROBLEM_JSON

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
    {"type": "string", "pattern": letters.BEFORE_PATTERN},
    required=False,
)
_BEFORE_CALLBACK = parameter(
    "query",
    "before",
    "the `next` of the answer before",
    {"type": "string", "pattern": PLACE_PATTERN},
    required=False,
)
_AFTER = parameter(
    "query",
    "after",
    "the `next` of the answer before",
    {"type": "string", "pattern": "^[0-9.-]{1,100}$"},
    required=False,
)
_RUN = parameter("path", "run", "its id", {"type": "string", "pattern": runs.RUN_PATTERN}, required=True)
_PLACE = parameter(
    "query",
    "before",
    "the `next` of the answer before",
    {"type": "string", "pattern": past.PLACE_PATTERN},
    required=False,
)
_SINCE = parameter("query", "since", "written since", _FIELDS["since"], required=False)
_OTHER_RUN = answer("the id is another run's", Problem, PROBLEM_JSON)
_ONE = (*ALWAYS, 404, 503)

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
    "/api/operate/callbacks": {
        "get": operation(
            "callbacks",
            "Which callbacks were given up?",
            {200: answer("the newest first", shapes.Callbacks)},
            _READ,
            parameters=[_whole("limit", callbacks.MAX_LIMIT, callbacks.LIMIT), _BEFORE_CALLBACK],
        ),
    },
    "/api/operate/callbacks/replay": {
        "post": operation(
            "replayCallbacks",
            "Send callbacks that were given up again",
            {200: answer("what became of each name", shapes.ReplayedCallbacks)},
            _WRITE,
            requestBody=_sent(callbacks.ChosenCallbacks),
        ),
    },
    "/api/operate/callbacks/discard": {
        "post": operation(
            "discardCallbacks",
            "Delete callbacks that were given up",
            {200: answer("what became of each name", shapes.DiscardedCallbacks)},
            _WRITE,
            requestBody=_sent(callbacks.ChosenCallbacks),
        ),
    },
    "/api/operate/count": {
        "get": operation(
            "count",
            "How many would a run do it to?",
            {200: answer("how many match", shapes.Count)},
            _READ,
            parameters=[*_WHICH, _AFTER],
        ),
    },
    "/api/operate/runs": {
        "get": operation(
            "runs",
            "Which bulk runs were there?",
            {200: answer("the newest first", shapes.Runs)},
            _READ,
            parameters=[_whole("limit", RUNS_KEPT, runs.LIMIT)],
        ),
        "post": operation(
            "startRun",
            "Replay or discard all that were counted",
            {200: answer("it was started, now or before", shapes.Run), 409: _OTHER_RUN},
            _WRITE,
            requestBody=_sent(runs.NewRun),
        ),
    },
    "/api/operate/runs/{run}": {
        "get": operation(
            "readRun", "How far is it?", {200: answer("as it is now", shapes.Run)}, _ONE, parameters=[_RUN]
        ),
    },
    "/api/operate/runs/{run}/stop": {
        "post": operation(
            "stopRun", "End it where it stands", {200: answer("as it is now", shapes.Run)}, _ONE, parameters=[_RUN]
        ),
    },
    "/api/operate/journal": {
        "get": operation(
            "journal",
            "What did operators do?",
            {200: answer("the newest first", shapes.Journal)},
            _READ,
            parameters=[_whole("limit", past.MAX_LIMIT, past.LIMIT), _PLACE],
        ),
    },
    "/api/operate/events": {
        "get": operation(
            "happened",
            "What has happened to the system?",
            {200: answer("the newest first", shapes.Happenings)},
            _READ,
            parameters=[_SINCE, _whole("limit", past.MAX_LIMIT, past.LIMIT)],
        ),
    },
}
