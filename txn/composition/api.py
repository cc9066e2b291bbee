"""An API process, with the admin site beside it."""

from collections.abc import Callable

from txn.addresses import Networks
from txn.admin.door.users import read_users
from txn.admin.site import Wsgi, create_site, mount
from txn.api.app import create_app
from txn.api.door import KeyFile
from txn.api.intake import Intake, Rates
from txn.api.waiting import LOOK_MS, Waiters
from txn.api_keys import KeyRing
from txn.callbacks.rules import CallbackRules, read_endpoints
from txn.composition.databases import open_database
from txn.composition.operators import open_tools
from txn.loop import Loop
from txn.partitions.parts import Parts
from txn.partitions.place import loops
from txn.settings import Settings
from txn.spans import tracer
from txn.store.durability import DurabilityMonitor
from txn.store.rights import Rights, RightsMonitor
from txn.store.timings import Timings
from txn.url import split_origins

#: An accept must wait for the disk, which can be slow, but whoever submits is told within a second; a health check must
#: not wait at all.
ACCEPT_TIMEOUT_MS = 800
HEALTH_TIMEOUT_MS = 400
#: A page says that Redis is away; it does not wait for it.
PAGE_TIMEOUT_MS = 300
#: Who looks at the feed for those who wait is answered when something has changed.
WAITING_TIMEOUT_MS = LOOK_MS + 2_000


def open_api(settings: Settings) -> Wsgi:
    """The WSGI application: the API, and the admin site if it has users.

    Raises: BadSettings.
    """
    probed = Parts(open_database(settings, HEALTH_TIMEOUT_MS), settings)
    durability = _open_durability(probed)
    timings = Timings(probed.first)
    Loop("timings", timings.flush).start()
    intake = _open_intake(settings, probed)
    tools = open_tools(settings, durability, PAGE_TIMEOUT_MS, intake.monitor)
    users = read_users(settings.admin_users)
    # None, if nobody is named who could log in.
    site = create_site(tools, users) if users else None
    accepting = open_database(
        settings,
        ACCEPT_TIMEOUT_MS,
        lambda keys: durability.under(keys).on_connect,
        replicas=settings.redis_replicas,
    )
    accepted = Parts(accepting, settings)
    waiting = Parts(open_database(settings, WAITING_TIMEOUT_MS), settings)
    app = create_app(
        accepted.store(durability),
        probed.statistics(),
        durability,
        timings,
        allow_cleanup=settings.allow_cleanup,
        metrics_token=settings.metrics_token,
        cors_origins=split_origins(settings.cors_origins),
        has_admin=site is not None,
        intake=intake,
        keys=_keys(settings),
        changes=accepted.changes(),
        listing=accepted.listing(),
        waiters=Waiters(*waiting.watched()),
        tools=tools,
        tracer=tracer(),
        callbacks=CallbackRules(settings, read_endpoints(settings)),
    )
    if site is None:
        return app
    return mount(app, site)


def _keys(settings: Settings) -> Callable[[], KeyRing] | None:
    if settings.is_open:
        return None
    if settings.api_keys_file:
        return KeyFile(settings.api_keys_file)
    ring = KeyRing.parse(settings.api_keys, "TXN_API_KEYS")
    return lambda: ring


def _open_durability(parts: Parts) -> DurabilityMonitor:
    rights = [RightsMonitor(Rights(database), "api") for database in parts.all]
    monitor = parts.durability([lambda one=one: one.problem for one in rights])  # type: ignore[misc]
    monitor.watch(parts.first.client)
    for loop in loops("rights", [one.beat for one in rights], apart=parts.apart):
        loop.start()
    return monitor


def _open_intake(settings: Settings, parts: Parts) -> Intake:
    monitor = parts.intake()
    Loop("intake", monitor.beat).start()
    return Intake(monitor, Rates(settings.client_submits_per_second), Networks(settings.trusted_proxies.split(",")))
