import contextlib
import socket
import threading
from collections.abc import Callable

import pytest
import redis

from ops.mock_posting.client import MockPosting
from ops.redis_server import RedisServer
from tests.crash.cells import Cell, all_cells
from tests.crash.cuts import Cut, PassedOn
from tests.crash.play import check, play
from tests.crash.world import NOTHING, SETTINGS, BrokenPromise, Mutations, Worker, World, run_to_quiet
from txn.delivery.blocking_steps import run
from txn.model.claim import Claim
from txn.model.outcome import Clear, Completed, Failed, Settlement
from txn.model.transaction import ErrorCode, Evidence
from txn.posting.curl import CurlTransport
from txn.posting.gate import Gate
from txn.posting.results import Absent, Found, Lookup, Posted, PostResult, Rejected, Uncertain
from txn.posting.transport import MaybeSent, Request
from txn.settings import Settings
from txn.store.messages import Messages

Tamper = Callable[[Worker], object]
CELLS = all_cells()[0]


def nothing(worker: Worker) -> None:
    return None


class Tampered(PassedOn):
    """Takes its place before a worker's steps."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(worker.steps)
        self.cuts, worker.steps = worker.cuts, self


class NoGetBeforePost(Tampered):
    async def find(self, claim: Claim) -> Lookup:
        lookup = await super().find(claim)
        return Absent() if isinstance(lookup, Found) and not self.cuts.posted else lookup


class NoVerifyingGet(Tampered):
    async def find(self, claim: Claim) -> Lookup:
        return Absent() if self.cuts.posted else await super().find(claim)


class NoGetBeforeRejecting(Tampered):
    """A rejection is believed."""

    result: PostResult | None = None

    async def post(self, claim: Claim, last_check: Callable[[], bool]) -> PostResult:
        self.result = await super().post(claim, last_check)
        return self.result

    async def find(self, claim: Claim) -> Lookup:
        rejected = self.cuts.posted and isinstance(self.result, Rejected)
        return Absent() if rejected else await super().find(claim)


class NoIdInTheAnswer(Tampered):
    """Any 200 proves a write."""

    async def post(self, claim: Claim, last_check: Callable[[], bool]) -> PostResult:
        result = await super().post(claim, last_check)
        return Posted(result.status) if isinstance(result, Uncertain) and result.status in (200, 201) else result


class NoLastCheck(Tampered):
    async def post(self, claim: Claim, last_check: Callable[[], bool]) -> PostResult:
        return await super().post(claim, lambda: last_check() or True)


def no_due_index(worker: Worker) -> None:
    worker.store.due = lambda limit: (0, 0)  # type: ignore[method-assign]


def no_reconciliation(worker: Worker) -> None:
    Messages.requeue_all_but(worker.messages, ())
    worker.messages.requeue_all_but = lambda held: 0  # type: ignore[method-assign]


NO_NONCE: Mutations = {"settle": (("or settled_by ~= owner then", "then"),)}
NO_STATUS_TEST: Mutations = {
    "settle": (
        ("if status ~= 'processing' or settled_by ~= owner then", "if settled_by ~= owner then"),
        ("if status and settled_by == owner then", "if false then"),
    )
}
NO_DOUBT_WINDOW: Mutations = {"claim": (("if (tonumber(r[4]) or 0) > now or quarantined > now then", "if false then"),)}
NO_DOUBT_OF_ITS_OWN: Mutations = {"claim": (("write('doubt', int(now + lease + doubt_window))", ""),)}
NO_LEASE_REFUSAL: Mutations = {
    "claim": (("status == 'processing' and (tonumber(r[3]) or 0) > now then", "false then"),)
}
NO_END_OF_THE_EXCUSE: Mutations = {
    "due": (
        (
            "if not may_come or (age >= patience and head_pushed > pushed) then",
            "if not has_message then",
        ),
    )
}


def first_broken(
    server: RedisServer, mock: MockPosting, mutations: Mutations, tamper: Tamper, cells: list[Cell], settings: Settings
) -> Cell | None:
    for cell in cells:
        mock.reset()
        world = World(server, mock, mutations, settings, tamper)
        try:
            play(world, cell)
        except BrokenPromise as error:
            print(f"found by {cell}: {error}")
            return cell
        finally:
            world.close()
    return None


def chosen(cut: str = "", fault: str = "", posting: str = "", company: str = "") -> list[Cell]:
    """Cells whose parts contain these words."""
    wanted = (cut, fault, posting, company)
    return [cell for cell in CELLS if all(word in part for word, part in zip(wanted, cell, strict=True))]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("mutations", "tamper", "where"),
    [
        pytest.param(NO_STATUS_TEST, nothing, {"cut": "after settle", "fault": "lost"}, id="the status test in settle"),
        pytest.param(NOTHING, NoGetBeforePost, {"posting": "hangs"}, id="the GET before the POST"),
        pytest.param(NO_DOUBT_WINDOW, nothing, {"cut": "after post", "posting": "hangs"}, id="the doubt window"),
        pytest.param(NO_DOUBT_OF_ITS_OWN, nothing, {"cut": "after post", "fault": "dies"}, id="a claim's own doubt"),
        pytest.param(NOTHING, NoLastCheck, {"cut": "before post", "fault": "long"}, id="the last check before sending"),
        pytest.param(NOTHING, NoIdInTheAnswer, {"posting": "claims"}, id="our id in the answer to a POST"),
        pytest.param(NOTHING, NoGetBeforeRejecting, {"posting": "rejects after"}, id="the GET before a rejection"),
        pytest.param(NOTHING, no_due_index, {"fault": "dies"}, id="the due index"),
    ],
)
def test_without_it_a_cell_breaks(
    mutations: Mutations, tamper: Tamper, where: dict[str, str], crash_server: RedisServer, crash_mock: MockPosting
) -> None:
    assert first_broken(crash_server, crash_mock, mutations, tamper, chosen(**where), SETTINGS) is not None


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("mutations", "tamper"),
    [
        pytest.param(NO_LEASE_REFUSAL, nothing, id="the refusal of a leased transaction"),
        pytest.param(NOTHING, NoVerifyingGet, id="the verifying GET"),
    ],
)
def test_without_it_nothing_breaks_because_it_is_there_for_speed(
    mutations: Mutations, tamper: Tamper, crash_server: RedisServer, crash_mock: MockPosting
) -> None:
    # Cuts around a verifying GET that is not made are never reached.
    cells = [cell for cell in CELLS[::7] if "verify" not in cell.cut and "restarts" not in cell.fault]
    cells = [cell for cell in cells if cell.posting != "rejects after"]  # there nothing else stands in for it
    assert first_broken(crash_server, crash_mock, mutations, tamper, cells, SETTINGS) is None


def a_late_rejection(world: World) -> None:
    """The first worker's rejection is settled when the second has taken over and posted."""
    first, second = world.worker(), world.worker()
    first.accept()
    late = first.store.claim(world.id, "first")
    assert late is not None
    world.forward(world.settings.lease_ms + world.settings.doubt_window_ms)
    heir = second.store.claim(world.id, "second")
    assert heir is not None
    run(second.steps.post(heir, lambda: True))
    first.store.settle(world.id, "first", Settlement(Failed(ErrorCode.REJECTED, "late", Clear())))
    second.store.settle(world.id, "second", Settlement(Completed(Evidence.POSTED)))


def a_body_without_its_place_in_the_queue(world: World) -> None:
    world.worker().accept()
    world.client.delete(world.keys.messages)


def a_fetch_that_nobody_knows_of(world: World) -> None:
    """The answer to a fetch is lost, and the worker lives on: nothing may stay in its ack set."""
    lost = Cut("after fetch", lost_answer)
    worker = world.worker(lost)
    worker.accept()
    worker.work()
    worker.work()
    left = world.client.keys(f"{world.keys.acks}*")
    assert lost.reached
    if left:
        raise BrokenPromise(f"{left} left in a living worker's ack set")


def lost_answer() -> None:
    raise redis.ConnectionError("the answer is lost")


Scene = Callable[[World], None]
SCENES = [
    pytest.param(a_late_rejection, NO_NONCE, nothing, id="the owner's nonce"),
    pytest.param(a_body_without_its_place_in_the_queue, NO_END_OF_THE_EXCUSE, nothing, id="the end of the excuse"),
    pytest.param(a_fetch_that_nobody_knows_of, NOTHING, no_reconciliation, id="the consumer's reconciliation"),
]


def end_well(world: World, scene: Scene) -> None:
    scene(world)
    run_to_quiet(world, world.worker())
    check(world, Cell("", "", "fine", ""))


@pytest.mark.parametrize(("scene", "mutations", "tamper"), SCENES)
def test_a_scene_ends_well_with_it_and_not_without(
    scene: Scene, mutations: Mutations, tamper: Tamper, crash_server: RedisServer, crash_mock: MockPosting
) -> None:
    crash_mock.reset()
    end_well(World(crash_server, crash_mock), scene)
    crash_mock.reset()
    with pytest.raises(BrokenPromise):
        end_well(World(crash_server, crash_mock, mutations, SETTINGS, tamper), scene)


def test_a_mutation_that_changes_nothing_is_an_error(crash_server: RedisServer, crash_mock: MockPosting) -> None:
    world = World(crash_server, crash_mock, {"settle": (("a line that was reworded", ""),)})
    with pytest.raises(LookupError, match=r"settle\.lua no longer holds"):
        world.worker()


def test_without_the_one_send_guard_libcurl_sends_a_request_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def requests_of_one_call() -> int:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            seen: list[bytes] = []
            threading.Thread(target=answer_get_and_drop_post, args=(listener, seen), daemon=True).start()
            transport = CurlTransport(f"http://127.0.0.1:{listener.getsockname()[1]}")
            transport.send(Request("GET", "/transactions/a", {}, 2_000))
            with pytest.raises(MaybeSent):
                transport.send(Request("POST", "/transactions", {}, 2_000, b"{}"))
            transport.close()
        return sum(request.startswith(b"POST") for request in seen)

    assert requests_of_one_call() == 1
    monkeypatch.setattr(Gate, "opens", lambda gate: setattr(gate, "_opened", True) or True)
    assert requests_of_one_call() == 2


def answer_get_and_drop_post(listener: socket.socket, seen: list[bytes]) -> None:
    """Keeps a connection for a GET, and closes it without an answer when a POST was read."""
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection:
                while request := connection.recv(65_536):
                    seen.append(request)
                    if request.startswith(b"POST"):
                        break
                    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}")
