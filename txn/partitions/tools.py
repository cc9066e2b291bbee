"""`Tools` of all partitions, for the admin site, the command line and the API."""

from dataclasses import replace

from txn.operate.tools import Tools
from txn.partitions.callback_letters import AllCallbackLetters
from txn.partitions.flow import AllLimits, AllPauses
from txn.partitions.letters import AllLetters, AllOperations, AllRuns
from txn.partitions.listing import AllListing
from txn.partitions.numbers import AllCharts, AllIntake, AllStatistics, AllWorkers
from txn.partitions.past import AllEvents, AllJournal
from txn.partitions.place import Partitions
from txn.partitions.records import AllDetails, AllMessages
from txn.settings import Settings
from txn.store.database import Database
from txn.store.durability import DurabilityMonitor
from txn.store.intake import IntakeMonitor


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
    every, written = Partitions(read, settings.partitions), Partitions(write, settings.partitions)
    return replace(
        Tools.on(every.first, written.first, settings, durability, intake or AllIntake(every, settings)),
        statistics=AllStatistics(every),
        charts=AllCharts(every),
        workers=AllWorkers(every),
        details=AllDetails(every),
        letters=AllLetters(every),
        runs=AllRuns(every),
        journal=AllJournal(every),
        events=AllEvents(every),
        messages=AllMessages(every),
        operations=AllOperations(written),
        pauses=AllPauses(written, settings.lease_ms),
        limits=AllLimits(written, settings.lease_ms),
        callbacks=AllCallbackLetters(every, written),
        listing=AllListing(every),
    )
