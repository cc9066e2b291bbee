"""Who adds a reader or an operation has to say what it is with partitions: one database is only a part of them."""

import dataclasses

from tests.partitions.parts import AllParts
from txn.partitions.tools import open_tools
from txn.store.durability import DurabilityMonitor

#: About the whole system, or about no transactions at all.
OF_ALL = {"settings", "durability", "database", "calls", "ended_sessions", "looks", "audits"}


def test_every_tool_of_operators_knows_all_partitions(parts: AllParts) -> None:
    tools = open_tools(parts.database, parts.database, parts.settings, DurabilityMonitor.of(parts.settings))
    found = {field.name: type(getattr(tools, field.name)).__module__ for field in dataclasses.fields(tools)}
    assert {name for name, module in found.items() if not module.startswith("txn.partitions.")} == OF_ALL
