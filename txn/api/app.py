"""The WSGI application, made of parts that somebody else has opened."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import falcon

from txn.api import errors as problems
from txn.api.batch import Batches
from txn.api.callbacks import told_by
from txn.api.cleanup import Cleanup
from txn.api.collector import SystemCollector
from txn.api.cors import Cors
from txn.api.docs import Described, Docs
from txn.api.door import Door
from txn.api.feed import Feed
from txn.api.head import HeadAsGet
from txn.api.headers import OfEveryAnswer
from txn.api.health import Health
from txn.api.intake import UNLIMITED, Intake, Unlimited
from txn.api.metrics import Metrics
from txn.api.operate import routes as operate
from txn.api.probes import Live, Ready
from txn.api.root import Root
from txn.api.transactions import Cancel, Transactions, TransactionStatus, refuse_id
from txn.api.waiting import Waiters
from txn.api_keys import KeyRing
from txn.callbacks.rules import CallbackRules
from txn.operate.tools import Tools
from txn.readers.statistics import StatisticsReader
from txn.store.changes import Changes
from txn.store.durability import DurabilityMonitor
from txn.store.listing import Listing
from txn.store.timings import Timings
from txn.store.transactions import Store

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer


def create_app(
    store: Store,
    statistics: StatisticsReader,
    durability: DurabilityMonitor,
    timings: Timings,
    *,
    allow_cleanup: bool = False,
    metrics_token: str = "",
    cors_origins: Sequence[str] = (),
    has_admin: bool = False,
    intake: Intake | Unlimited = UNLIMITED,
    keys: Callable[[], KeyRing] | None = None,
    changes: Changes | None = None,
    waiters: Waiters | None = None,
    tools: Tools | None = None,
    listing: Listing | None = None,
    tracer: "Tracer | None" = None,
    callbacks: CallbackRules | None = None,
) -> falcon.App[Any, Any]:
    """Routes and error handling. Opens nothing and reads no environment.

    Without `intake` submits have no limits. `keys`: who may come in; None: everybody. Without `waiters` nobody waits
    for a change, without `changes` there is no feed, without `tools` nothing for operators, without `tracer` no spans,
    without `callbacks` none. `listing`: None: of the store's own database.
    """
    cors = [Cors(cors_origins)] if cors_origins else []
    app = _empty([HeadAsGet(), OfEveryAnswer(), *_spans(tracer), *cors, Door(keys)])
    told, listing = told_by(callbacks, store), listing or Listing(store.database)
    app.add_route("/api/transactions", Transactions(store, durability, timings.note, intake, listing, waiters, told))
    app.add_route("/api/transactions/batch", Batches(store, durability, intake, waiters, told))
    app.add_route("/api/transactions/{transaction_id}/cancel", Cancel(store))
    app.add_route("/api/transactions/{transaction_id}", TransactionStatus(store, waiters))
    if changes:
        app.add_route("/api/events", Feed(changes, waiters))
    if tools:
        operate.add_routes(app, tools)
    app.add_route("/", Root(has_admin=has_admin))
    app.add_route("/readyz", Ready(statistics, durability))
    collector = SystemCollector(statistics, timings, durability, intake.monitor)
    app.add_route("/metrics", Metrics(collector, metrics_token, has_keys=keys is not None))
    app.add_route("/api/health", Health(statistics, durability, intake.monitor))
    app.add_route("/api/cleanup", Cleanup(store, allowed=allow_cleanup))
    return app


def _empty(middleware: list[Any]) -> falcon.App[Any, Any]:
    """What needs no parts."""
    app: falcon.App[Any, Any] = falcon.App(middleware=middleware)
    problems.install(app)
    app.add_sink(refuse_id, r"/api/transactions/(?P<transaction_id>.+)")
    app.add_route("/openapi.json", Described())
    app.add_route("/docs", Docs())
    app.add_route("/livez", Live())
    return app


def _spans(tracer: "Tracer | None") -> list[Any]:
    if tracer is None:
        return []
    from txn.api.spans import SubmitSpans  # noqa: PLC0415  (it needs opentelemetry-api)

    return [SubmitSpans(tracer)]
