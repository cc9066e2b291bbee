import pytest

from tests.audit.rig import Rig, counted, ids
from tests.audit.test_audit_lists import Service, row
from tests.audit.web import StubPosting


@pytest.mark.parametrize("listed", [True, False])
def test_a_get_that_brings_a_row_with_another_id_answers_nothing(rig: Rig, stub: StubPosting, listed: bool) -> None:
    rig.done("order-77")
    rig.done("ORDER-77")
    service = Service(stub, ["order-77"])
    service.rows["ORDER-77"] = row("order-77")  # a look-up that ignores case, or a proxy that mixes answers up
    service.gives([row("order-77")])
    if not listed:
        stub.answers["/transactions"] = lambda: (404, [b"{}"])
    report = rig.audit(service.url)
    assert counted(report) == {"once": 1, "unanswered": 1}
    assert (ids(report, "unanswered"), report.exit_code) == ({"ORDER-77"}, 2)
