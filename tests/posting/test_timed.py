import time

import pytest

from tests.posting.conftest import Wire, Wires
from tests.posting.on_a_loop import OnALoop
from tests.posting.raw_server import answer, saying
from txn.posting.timed import TimedAsyncTransport, TimedTransport
from txn.posting.transport import MaybeSent, Withheld

Notes = list[tuple[str, float]]


def timed(wire: Wire) -> Notes:
    notes: Notes = []

    def note(what: str, seconds: float) -> None:
        notes.append((what, seconds))

    if isinstance(wire.transport, OnALoop):
        wire.transport.transport = TimedAsyncTransport(wire.transport.transport, note)
    else:
        wire.transport = TimedTransport(wire.transport, note)  # type: ignore[assignment]
    return notes


@pytest.mark.parametrize(("status", "name"), [(200, "200"), (404, "404"), (503, "503"), (599, "other"), (299, "other")])
def test_an_answer_is_noted_under_its_status(wires: Wires, status: int, name: str) -> None:
    wire = wires.connect(saying(answer(status)))
    notes, began = timed(wire), time.monotonic()
    assert wire.get().status == status
    [(what, seconds)] = notes
    assert what == f"get:{name}"
    assert 0 < seconds <= time.monotonic() - began


def test_a_call_without_an_answer_is_noted_as_that(wires: Wires) -> None:
    wire = wires.connect(saying(b""))
    notes = timed(wire)
    wire.fails(MaybeSent, wire.post)
    assert [what for what, _ in notes] == ["post:none"]


def test_what_was_withheld_is_no_call(wires: Wires) -> None:
    wire = wires.connect()
    notes = timed(wire)
    wire.fails(Withheld, lambda: wire.post(may_send=lambda: False))
    assert notes == []
