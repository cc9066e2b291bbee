import re

import pytest

from tests.store.lua_source import PRELUDE, SCRIPTS, calls, names, whole
from txn.model.totals import COUNTERS, Totals

#: Where `count` is what is raised.
COUNT = ("count", "at.count")


def raised() -> set[str]:
    """The counters that the scripts raise; `completed:` where what follows is a value."""
    found: set[str] = set()
    for name in SCRIPTS:
        text = whole(name)
        for key, field, *_ in calls(text, "raise"):
            found.update(names([field]) if key in COUNT else [])
        for command, *rest in calls(text, r"redis\.call", r"redis\.pcall"):
            found.update(names(rest[1:]) if command == "'HINCRBY'" and rest[0] in COUNT else [])
        for _count, _stem, _now, *fields in calls(text, "tally"):
            found.update(names(fields))
        for _field, counter, *_ in calls(text, "count_state"):
            found.update(names([counter]))
    return found


def read() -> set[str]:
    """Those that scripts look at."""
    found = re.findall(r"HMGET', count, ([^)]*)\)", PRELUDE)
    return set(re.findall(r"'([\w:]+)'", " ".join(found)))


def known() -> set[str]:
    return {f"{counter.stem}:" if counter.values else name for name, counter in COUNTERS.items()}


def test_every_counter_is_one_that_a_script_raises_and_the_reverse() -> None:
    assert raised() == known()


def test_what_scripts_read_of_the_counters_is_there() -> None:
    fields = {f"{one.stem}:{value}" for one in COUNTERS.values() for value in one.values}
    assert read()
    assert read() <= fields


def test_a_counter_is_set_anew_under_its_own_name() -> None:
    anew = re.findall(r"local is = {([^}]*)}", SCRIPTS["sweep"])
    assert set(re.findall(r"(\w+) = 0", anew[0])) | {"dead"} == {name for name, one in COUNTERS.items() if one.level}


@pytest.mark.parametrize("name", COUNTERS)
def test_each_is_read_from_its_field(name: str) -> None:
    counter = COUNTERS[name]
    if not counter.values:
        assert getattr(Totals.of({name: 7}), name) == 7
        return
    for value in counter.values:
        assert getattr(Totals.of({f"{counter.stem}:{value}": 7}), name)[value] == 7


def test_metrics_have_names_of_their_own() -> None:
    metrics = [counter.metric for counter in COUNTERS.values() if counter.metric]
    assert len(metrics) == len(set(metrics))
