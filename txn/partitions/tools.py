"""`Tools` of all partitions, for the admin site, the command line and the API."""

from txn.operate.ended_sessions import EndedSessions
from txn.operate.last_audit import LastAudits
from txn.operate.looks import Looks
from txn.operate.tools import Tools
from txn.partitions.callback_letters import AllCallbackLetters
from txn.partitions.flow import AllLimits, AllPauses
from txn.partitions.letters import AllLetters, AllOperations, AllRuns
from txn.partitions.listing import AllListing
from txn.partitions.numbers import AllCharts, AllIntake, AllStatistics, AllWorkers
from txn.partitions.past import AllEvents, AllJournal
from txn.partitions.place import Partitions
from txn.partitions.records import AllDetails, AllMessages
from txn.readers.calls import CallReader
from txn.settings import Settings
from txn.store.database import Database
from txn.store.durability import DurabilityMonitor
from txn.store.intake import IntakeMonitor
from txn.store.timings import Timings


def open_tools(
    read: Database,
    write: Database,
    settings: Settings,
    durability: DurabilityMonitor,
    intake: IntakeMonitor | None = None,
) -> Tools:
    """See `Tools.on`; of all partitions, if the settings divide transactions."""
    if not settings.partitions:
        return Tools.on(read, write, settings, durability, intake)
    return _of_all(
        Partitions(read, settings.partitions), Partitions(write, settings.partitions), settings, durability, intake
    )


def _of_all(
    read: Partitions,
    write: Partitions,
    settings: Settings,
    durability: DurabilityMonitor,
    intake: IntakeMonitor | None,
) -> Tools:
    return Tools(
        settings=settings,
        durability=durability,
        intake=intake or AllIntake(read, settings),
        database=read.first,
        statistics=AllStatistics(read),
        charts=AllCharts(read),
        calls=CallReader(Timings(read.first), settings.posting_timeout_ms),
        workers=AllWorkers(read),
        details=AllDetails(read),
        letters=AllLetters(read),
        runs=AllRuns(read),
        journal=AllJournal(read),
        events=AllEvents(read),
        messages=AllMessages(read),
        operations=AllOperations(write),
        ended_sessions=EndedSessions(read.first),
        pauses=AllPauses(write, settings.lease_ms),
        limits=AllLimits(write, settings.lease_ms),
        looks=Looks(settings),
        audits=LastAudits(read.first),
        callbacks=AllCallbackLetters(read, write),
        listing=AllListing(read),
    )
