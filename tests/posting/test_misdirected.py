import pytest

from tests.posting.conftest import Wires
from tests.posting.raw_server import answer, saying
from txn.posting.service import Absent, NotPosted, PostingService, Unknown
from txn.posting.transport import always


@pytest.mark.parametrize(("status", "connections"), [(421, 3), (405, 1)])
def test_after_a_421_the_next_request_goes_over_a_connection_of_its_own(
    wires: Wires, status: int, connections: int
) -> None:
    wire = wires.connect(*[saying(answer(said)) for said in (status, status, 404)])
    service = PostingService(wire.transport, 5_000)
    assert isinstance(service.find("x", b"{}"), Unknown)
    assert isinstance(service.post("x", b"{}", 0, always), NotPosted)
    assert isinstance(service.find("x", b"{}"), Absent)
    assert len(wire.arrived()) == 3
    assert len(wire.server.peers) == connections + 1  # one more is how the server stops
