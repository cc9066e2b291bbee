from tests.partitions.parts import COUNT, AllParts
from txn.doctor.finding import Level
from txn.doctor.redis import rights
from txn.partitions.parts import Parts
from txn.readers.health import at_risk
from txn.settings import Settings


def test_what_is_refused_in_one_partition_is_found_there_and_refuses_no_other(parts: AllParts) -> None:
    all_ = Parts(parts.database, Settings(partitions=COUNT))
    missing = ["", "", "may not use txn:{2}:due", ""]
    monitor = all_.durability([lambda text=text: text for text in missing])  # type: ignore[misc]
    monitor.require()
    found = [problem.sentence for problem in at_risk(monitor)]
    assert found == [f"New transactions of partition 2 of {COUNT} are refused: may not use txn:{{2}}:due"]
    missing[:] = ["may not"] * COUNT
    everywhere = all_.durability([lambda text=text: text for text in missing])  # type: ignore[misc]
    assert everywhere.lacking() == "may not"


def test_the_doctor_looks_at_the_keys_of_every_partition(parts: AllParts) -> None:
    due = parts.partitions.all[2].keys.due
    parts.database.client.set(due, "no index")
    found = list(rights(parts.partitions.all, "txn:"))
    assert [one.found for one in found if one.level == Level.BAD] == [f"{due} is a string"]
