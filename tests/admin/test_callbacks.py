from tests.admin.site import Browser
from tests.callbacks.rig import ended
from tests.callbacks.test_letters import given_up
from tests.parts import Parts


def test_those_that_were_given_up_are_listed_and_sent_again(ada: Browser, parts: Parts) -> None:
    first, second = given_up(parts, "a", "b")
    ended(parts, "c", callback="https://hooks.example/<x>?token=secret")
    page = ada.get("/admin/callbacks").text
    assert "answered with 410" in page
    assert "hooks.example" in page
    assert "secret" not in page
    assert ada.post("/admin/callbacks/act", name=first, what="replay", why="well again").status_code == 303
    assert "1 replayed" in ada.get("/admin/callbacks").text
    assert ada.post("/admin/callbacks/act", name=[first, second], what="discard", why="gone").status_code == 303
    assert "1 discarded, 1 skipped" in ada.get("/admin/callbacks").text
    assert [entry.what for entry in parts.journal.read()] == ["discard callbacks", "replay callbacks"]


def test_to_discard_needs_a_reason_and_something_ticked(ada: Browser, parts: Parts) -> None:
    [name] = given_up(parts, "a")
    ada.get("/admin/callbacks")
    assert ada.post("/admin/callbacks/act", name=name, what="discard", why=" ").status_code == 400
    assert ada.post("/admin/callbacks/act", what="discard", why="x").status_code == 303
    assert "Nothing was ticked" in ada.get("/admin/callbacks").text
    assert parts.read_statistics().totals.callbacks_dead == 1


def test_who_may_only_view_sees_them_and_no_button(vic: Browser, parts: Parts) -> None:
    [name] = given_up(parts, "a")
    page = vic.get("/admin/callbacks").text
    assert "answered with 410" in page
    assert "Discard selected" not in page
    assert vic.post("/admin/callbacks/act", name=name, what="replay").status_code == 403


def test_pages_go_on(ada: Browser, parts: Parts) -> None:
    given_up(parts, *(f"t{number}" for number in range(51)))
    page = ada.get("/admin/callbacks").text
    assert 'rel="next"' in page
    older = page.partition('href="/admin/callbacks?')[2].partition('"')[0]
    assert "/admin/transactions/t0" in ada.get(f"/admin/callbacks?{older}").text
    assert ada.get("/admin/callbacks?before=x").status_code == 400


def test_the_overview_leads_there(ada: Browser, parts: Parts) -> None:
    given_up(parts, "a")
    assert 'href="/admin/callbacks"' in ada.get("/admin").text.partition("was given up")[2]
