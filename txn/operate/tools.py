"""`Tools`: the readers and operations that the admin site and the command line get as one value."""

from dataclasses import dataclass
from typing import Self

from txn.operate.bulk_runs import BulkRuns
from txn.operate.callbacks import CallbackLetters
from txn.operate.ended_sessions import EndedSessions
from txn.operate.events import Events
from txn.operate.journal import Journal
from txn.operate.last_audit import LastAudits
from txn.operate.limits import Limits
from txn.operate.looks import Looks
from txn.operate.operations import Operations
from txn.operate.pauses import Pauses
from txn.readers.calls import CallReader
from txn.readers.charts import Charts
from txn.readers.dead_letters import DeadLetters
from txn.readers.details import DetailReader
from txn.readers.queued_messages import MessageReader
from txn.readers.statistics import StatisticsReader
from txn.readers.workers import WorkerReader
from txn.settings import Settings
from txn.store.database import Database
from txn.store.durability import DurabilityMonitor
from txn.store.intake import IntakeMonitor
from txn.store.listing import Listing
from txn.store.timings import Timings


@dataclass(frozen=True, slots=True)
class Tools:
    """Readers on one `database`, `operations`, `pauses` and `limits` on another, which waits for the disk."""

    settings: Settings
    durability: DurabilityMonitor
    intake: IntakeMonitor
    database: Database
    statistics: StatisticsReader
    charts: Charts
    calls: CallReader
    workers: WorkerReader
    details: DetailReader
    letters: DeadLetters
    runs: BulkRuns
    journal: Journal
    events: Events
    messages: MessageReader
    operations: Operations
    ended_sessions: EndedSessions
    pauses: Pauses
    limits: Limits
    looks: Looks
    audits: LastAudits
    callbacks: CallbackLetters
    listing: Listing

    @classmethod
    def on(
        cls,
        database: Database,
        writer: Database,
        settings: Settings,
        durability: DurabilityMonitor,
        intake: IntakeMonitor | None = None,
    ) -> Self:
        """All of them. Without `intake` there is one that has not looked yet."""
        return cls(
            settings=settings,
            durability=durability,
            intake=intake or IntakeMonitor(database, settings),
            database=database,
            statistics=StatisticsReader(database),
            charts=Charts(database),
            calls=CallReader(Timings(database), settings.posting_timeout_ms),
            workers=WorkerReader(database),
            details=DetailReader(database),
            letters=DeadLetters(database),
            runs=BulkRuns(database),
            journal=Journal(database),
            events=Events(database),
            messages=MessageReader(database),
            operations=Operations(writer),
            ended_sessions=EndedSessions(database),
            pauses=Pauses(writer),
            limits=Limits(writer, settings.lease_ms),
            looks=Looks(settings),
            audits=LastAudits(database),
            callbacks=CallbackLetters(database, writer),
            listing=Listing(database),
        )
