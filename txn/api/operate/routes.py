"""Where what operators do is served."""

from typing import Any

import falcon

from txn.api.operate.callbacks import CallbackDeed, Callbacks
from txn.api.operate.flow import Limits, Pause
from txn.api.operate.letters import Deed, Failed
from txn.api.operate.past import Events, Journal
from txn.api.operate.runs import Count, OneRun, Runs, Stop
from txn.model.dead_letter import Action
from txn.operate.tools import Tools

ROOT = "/api/operate"


def add_routes(app: falcon.App[Any, Any], tools: Tools) -> None:
    """All under /api/operate."""
    app.add_route(f"{ROOT}/pause", Pause(tools))
    app.add_route(f"{ROOT}/limits", Limits(tools))
    app.add_route(f"{ROOT}/failed", Failed(tools))
    for what in Action:
        app.add_route(f"{ROOT}/{what.value}", Deed(tools, what))
        app.add_route(f"{ROOT}/callbacks/{what.value}", CallbackDeed(tools, what))
    app.add_route(f"{ROOT}/callbacks", Callbacks(tools))
    app.add_route(f"{ROOT}/count", Count(tools))
    app.add_route(f"{ROOT}/runs", Runs(tools))
    app.add_route(f"{ROOT}/runs/{{run}}", OneRun(tools))
    app.add_route(f"{ROOT}/runs/{{run}}/stop", Stop(tools))
    app.add_route(f"{ROOT}/journal", Journal(tools))
    app.add_route(f"{ROOT}/events", Events(tools))
