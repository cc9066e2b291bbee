from tests.admin.site import Browser
from tests.parts import Parts


def test_an_operator_pauses_with_a_reason_and_resumes(ada: Browser, parts: Parts) -> None:
    parts.accept("a")
    ada.get("/admin")
    assert ada.post("/admin/pause", why="moved", hours="8").status_code == 303
    assert parts.claim("a") is None
    page = ada.get("/admin").text
    assert "Deliveries are paused" in page
    assert "by ada: moved" in page
    assert ada.post("/admin/resume").status_code == 303
    assert parts.claim("a") is not None
    assert [entry.what for entry in parts.journal.read()] == ["resume", "pause"]


def test_without_a_reason_or_with_a_time_of_ones_own_nothing_is_paused(ada: Browser, parts: Parts) -> None:
    ada.get("/admin")
    assert ada.post("/admin/pause", why=" ", hours="").status_code == 400
    assert ada.post("/admin/pause", why="moved", hours="1000").status_code == 400
    assert parts.read_statistics().flow.paused is None


def test_who_may_only_view_sees_no_button(vic: Browser, parts: Parts) -> None:
    assert "/admin/pause" not in vic.get("/admin").text
    assert vic.post("/admin/pause", why="moved", hours="").status_code == 403
    assert parts.read_statistics().flow.paused is None
