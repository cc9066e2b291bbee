from tests.posting.conftest import Wires
from tests.posting.raw_server import answer, saying
from txn.posting.results import Absent, NotPosted, Unknown
from txn.posting.service import PostingService
from txn.posting.transport import always


def test_after_a_421_the_next_request_goes_over_a_connection_of_its_own(wires: Wires) -> None:
    wire = wires.connect(*[saying(answer(said)) for said in (421, 421, 404)])
    service = PostingService(wire.transport, 5_000)
    assert isinstance(service.find("x", b"{}"), Unknown)
    assert isinstance(service.post("x", b"{}", 0, always), NotPosted)
    assert isinstance(service.find("x", b"{}"), Absent)
    assert len(wire.arrived()) == 3
    assert len(wire.server.peers) == 3 + 1  # one more is how the server stops
