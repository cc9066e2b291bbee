"""Puts the parts together. The only place that knows all of them, and the only one that opens connections."""

from collections.abc import Callable, Iterable
from typing import Any

from dramatiq import Actor
from dramatiq.middleware import CurrentMessage
from dramatiq.results import Results

from txn.api.app import create_app
from txn.delivery.rescuer import Rescuer
from txn.delivery.rules import Delivery
from txn.delivery.sweep import Sweep
from txn.loop import Loop
from txn.operate.bulk_runner import BulkRunner
from txn.operate.bulk_runs import BulkRuns
from txn.posting.service import PostingService
from txn.posting.timed import TimedTransport
from txn.posting.transports import open_transport
from txn.queue.actor import declare_actor
from txn.queue.broker import RecordBroker
from txn.queue.heartbeat import About, worker_name
from txn.queue.message import NAME, message_template
from txn.queue.middleware import AddUpTimings, RunLoops, SettleEscaped, StopFetching, TellThreads
from txn.queue.results import RecordResults
from txn.readers.dead_letters import DeadLetters
from txn.readers.state_log import Watch
from txn.readers.statistics import StatisticsReader
from txn.settings import Settings
from txn.store.connection import connect
from txn.store.durability import DurabilityMonitor
from txn.store.integrity import Integrity
from txn.store.keys import Keys
from txn.store.rights import Rights, RightsMonitor
from txn.store.timings import Timings
from txn.store.transactions import Store
from txn.url import split_origins

#: An application as gunicorn calls it.
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

#: An accept must wait for the disk, which can be slow; a health check must not wait at all.
ACCEPT_TIMEOUT_MS = 2_000
HEALTH_TIMEOUT_MS = 400
WORKER_TIMEOUT_MS = 2_000


def api(settings: Settings) -> Wsgi:
    """The WSGI application: the API, and the admin site if it has users.

    Raises: BadSettings.
    """
    keys = Keys(settings.prefix, NAME)
    url, age_ms = settings.redis_url, settings.redis_connection_age_ms
    probe = connect(url, timeout_ms=HEALTH_TIMEOUT_MS, max_age_ms=age_ms)
    rights = RightsMonitor(Rights(probe, keys), "api")
    durability = DurabilityMonitor(
        allow_lossy=settings.allow_lossy_redis, prefix=settings.prefix, lacking=lambda: rights.problem
    )
    client = connect(url, timeout_ms=ACCEPT_TIMEOUT_MS, on_connect=durability.on_connect, max_age_ms=age_ms)
    durability.watch(probe)
    Loop("rights", rights.beat).start()
    timings = Timings(probe, keys)
    Loop("timings", timings.flush).start()
    site = _admin_site(settings, durability)
    app = create_app(
        Store(client, keys, message_template(), settings),
        StatisticsReader(probe, keys),
        durability,
        timings,
        allow_cleanup=settings.allow_cleanup,
        metrics_token=settings.metrics_token,
        cors_origins=split_origins(settings.cors_origins),
        has_admin=site is not None,
    )
    if site is None:
        return app
    from txn.admin.site import mount  # noqa: PLC0415  (as in `_admin_site`)

    return mount(app, site)


def _admin_site(settings: Settings, durability: DurabilityMonitor) -> Wsgi | None:
    if not settings.admin_users:
        return None
    from txn.admin.composition import open_site  # noqa: PLC0415  (worker processes import this module, and never need it)

    return open_site(settings, durability)


def worker(settings: Settings) -> tuple[RecordBroker, Actor[Any, Any]]:
    """A worker process's broker and its actor."""
    keys = Keys(settings.prefix, NAME)
    age_ms = settings.redis_connection_age_ms
    client = connect(settings.redis_url, timeout_ms=WORKER_TIMEOUT_MS, max_age_ms=age_ms)
    store = Store(client, keys, message_template(), settings)
    timings = Timings(client, keys)
    posting = PostingService(TimedTransport(open_transport(settings), timings.note), settings.posting_timeout_ms)
    delivery = Delivery(store, posting, settings, worker=worker_name())
    bulk = BulkRunner(BulkRuns(client, keys), DeadLetters(client, keys), worker_name())
    about = About()
    broker = RecordBroker(
        client,
        keys,
        [
            CurrentMessage(),
            StopFetching(),
            Results(backend=RecordResults(store)),
            SettleEscaped(delivery),
            TellThreads(),
            RunLoops(
                Loop("rescuer", Rescuer(store).beat),
                Loop("bulk runner", bulk.tick),
                Loop("rights", RightsMonitor(Rights(client, keys), "worker").beat),
                Loop("sweep", Sweep(Integrity(client, keys, message_template())).beat),
                Loop("watch", Watch(StatisticsReader(client, keys), lambda: about.refused).beat),
            ),
            AddUpTimings(timings),
        ],
        about=about,
    )
    return broker, declare_actor(broker, delivery)
