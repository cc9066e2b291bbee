"""A worker process. It loads neither Falcon nor the admin site; of the readers, only those that its loops use."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from dramatiq import Actor, Middleware
from dramatiq.middleware import CurrentMessage
from dramatiq.results import Results

from txn import spans
from txn.callbacks.post import Poster
from txn.callbacks.rules import CallbackRules, read_endpoints
from txn.callbacks.sender import Sender
from txn.composition.databases import open_database
from txn.composition.tracing import traced_async_transport, traced_steps, traced_transport
from txn.delivery.blocking_steps import BlockingSteps
from txn.delivery.in_flight import InFlight, Kit
from txn.delivery.loop_steps import LoopSteps
from txn.delivery.pulse import Pulse
from txn.delivery.rules import Rules
from txn.logs.setup import send_errors
from txn.loop import Loop
from txn.operate.event_log import EventLog
from txn.partitions import work
from txn.partitions.parts import Parts
from txn.partitions.place import loops
from txn.posting.endpoint import default_ca_file
from txn.posting.service import AsyncPostingService, PostingService
from txn.posting.timed import TimedAsyncTransport, TimedTransport
from txn.posting.transports import open_async_transport, open_transport
from txn.queue.actor import declare_actor, declare_hand_over
from txn.queue.broker import RecordBroker
from txn.queue.handover import TOGETHER, HandOver
from txn.queue.heartbeat import About, worker_name
from txn.queue.middleware import AddUpTimings, RunLoops, SendReports, SettleEscaped, StopFetching, TellThreads
from txn.queue.results import RecordResults
from txn.readers.calls import CallReader
from txn.readers.watch import Watch
from txn.settings import Settings
from txn.store.agreement import OnConnect
from txn.store.arrival import Arrival
from txn.store.callbacks import Callbacks
from txn.store.keys import Keys
from txn.store.rights import Rights, RightsMonitor
from txn.store.timings import Timings
from txn.store.transactions import Store

TIMEOUT_MS = 2_000


def open_worker(settings: Settings) -> tuple[RecordBroker, Actor[Any, Any]]:
    """A worker process's broker and its actor."""

    def on_connect(keys: Keys) -> OnConnect:
        return Arrival(settings, lambda: work.claims_seen(parts, store, keys)).on_connect

    database = open_database(settings, TIMEOUT_MS, on_connect)
    parts = Parts(database, settings)
    # What is delivered must not rest on a claim that a failover can lose; what wakes it up may.
    confirmed = Parts(database.waiting_for(settings.redis_replicas), settings)
    store = confirmed.store()
    timings, about = Timings(parts.first), About()
    on_threads = settings.transport == "requests"
    delivering = (
        _on_threads(settings, store, timings) if on_threads else _on_a_loop(settings, confirmed, store, timings)
    )
    about.threads = 0 if on_threads else settings.in_flight
    about.in_flight = delivering.in_flight
    broker = work.broker(
        parts,
        [
            SendReports(spans.send, send_errors),
            CurrentMessage(),
            *delivering.first,
            StopFetching(),
            Results(backend=RecordResults(store)),
            *delivering.then,
            RunLoops(*_loops(settings, parts, confirmed, about, store)),
            AddUpTimings(timings),
        ],
        about,
        delivering.together,
    )
    return broker, delivering.declare(broker)


def _loops(settings: Settings, parts: Parts, confirmed: Parts, about: About, store: Store) -> list[Loop]:
    """What every worker process does beside its deliveries. `confirmed`: as `parts`, of what replicas have, too."""
    calls = CallReader(Timings(parts.first), settings.posting_timeout_ms)
    events = EventLog(work.events(parts), calls=calls.read)
    return [
        *work.loops(parts, store, settings.lease_ms, worker_name()),
        *_callbacks(settings, work.callbacks(confirmed)),
        *loops("rights", [RightsMonitor(Rights(one), "worker").beat for one in parts.all], apart=parts.apart),
        Loop("watch", Watch(parts.statistics(), lambda: about.refused, events.look).beat),
    ]


def _callbacks(settings: Settings, each: Sequence[Callbacks]) -> list[Loop]:
    """`each`: has a sender, and its share of what may be sent at once."""
    if settings.callbacks_in_flight == 0:
        return []
    rules = CallbackRules(settings, read_endpoints(settings))
    ca_file = default_ca_file()

    def open_poster() -> Poster:
        return Poster(settings.callback_timeout_ms, ca_file, rules.may_connect_to)

    share = max(1, settings.callbacks_in_flight // len(each))
    settings = settings.model_copy(update={"callbacks_in_flight": share})
    beats = [Sender(callbacks, rules, settings, open_poster).beat for callbacks in each]
    return loops("callbacks", beats, apart=len(each) > 1)


class _Delivering(NamedTuple):
    """The actor and the middleware around it, before and after `StopFetching`."""

    declare: Callable[[RecordBroker], Actor[Any, Any]]
    first: list[Middleware]
    then: list[Middleware]
    in_flight: Callable[[], int]
    #: Ids of one message, at most.
    together: int


def _on_threads(settings: Settings, store: Store, timings: Timings) -> _Delivering:
    """Each delivery holds one of Dramatiq's threads."""
    transport = traced_transport(TimedTransport(open_transport(settings), timings.note), settings)
    posting = PostingService(transport, settings.posting_timeout_ms)
    rules = Rules(traced_steps(BlockingSteps(store, posting)), settings, worker=worker_name())
    return _Delivering(
        lambda broker: declare_actor(broker, rules), [], [SettleEscaped(rules), TellThreads()], lambda: 0, 1
    )


def _on_a_loop(settings: Settings, parts: Parts, store: Store, timings: Timings) -> _Delivering:
    """All deliveries run on one event loop, which Dramatiq's threads hand them over to."""
    transport = traced_async_transport(TimedAsyncTransport(open_async_transport(settings), timings.note), settings)
    posting = AsyncPostingService(transport, settings.posting_timeout_ms)

    def open_kit() -> Kit:
        pulse, flusher = Pulse(timings.note), work.runner(parts)
        steps = LoopSteps(store, flusher, posting, pulse, settings.margin_ms / 2)
        return Kit(Rules(traced_steps(steps), settings, worker=worker_name()), steps, flusher, pulse, transport)

    in_flight = InFlight(open_kit, settings.in_flight)
    first: list[Middleware] = [HandOver(in_flight)]
    together = max(1, min(TOGETHER, settings.in_flight // 16))  # all of them wait until the last has a place
    return _Delivering(
        lambda broker: declare_hand_over(broker, in_flight), first, [], lambda: in_flight.count, together
    )
