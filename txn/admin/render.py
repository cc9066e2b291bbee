"""Templates. Everything that goes into one is escaped: descriptions and metadata are an attacker's text."""

from functools import cache
from typing import Any

import falcon
from jinja2 import Environment, PackageLoader, StrictUndefined

from txn.admin.assets import asset_url
from txn.admin.flash import take_flash
from txn.advice import START_WORKERS
from txn.model.totals import COUNTERS
from txn.operate import bulk_runner as bulk
from txn.readers import formats
from txn.readers.details import HISTORY_LINES

HTML = "text/html; charset=utf-8"


def render(request: falcon.Request, response: falcon.Response, template: str, **context: Any) -> None:
    """Answer with a template. Beside `context` it has `user` (None before the login), `csrf`, `flash` and `path`."""
    session = request.context.get("session")
    response.content_type = HTML
    response.text = (
        _environment()
        .get_template(template)
        .render(
            user=session.user if session else None,
            csrf=request.context.get("csrf", ""),
            flash=take_flash(request, response),
            path=request.path,
            **context,
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("txn.admin"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals["asset"] = asset_url
    environment.globals["advised"] = {
        "start_workers": START_WORKERS,
        "bulk_per_second": bulk.PER_SECOND,
        "history_lines": HISTORY_LINES,
    }
    environment.globals["counters"] = COUNTERS
    environment.filters |= formats.FILTERS
    return environment
