from tests.admin.site import Browser
from tests.parts import Parts
from txn.operate.events import Events


def test_the_overview_tells_what_happened(ada: Browser, parts: Parts) -> None:
    assert "Nothing has happened yet." in ada.get("/admin").text
    events, now_ms = Events(parts.database), parts.read_statistics().now_ms
    events.notice("posting", "away", now_ms - 60_000, now_ms - 59_000, "<b>connection refused</b>")
    events.notice("posting", "answering", now_ms, now_ms)
    page = ada.get("/admin").text
    assert "The posting service does not answer: &lt;b&gt;connection refused" in page
    assert page.index("answers again, after 60 s") < page.index("does not answer: ")


def test_a_worker_that_disappeared_is_on_the_queues_page(ada: Browser, parts: Parts) -> None:
    assert "Disappeared" not in ada.get("/admin/queues").text
    parts.messages("dead").heartbeat({"host": "h1", "pid": "7", "in_flight": 2})
    parts.clock.forward(11_000)
    parts.messages("alive").heartbeat()
    page = ada.get("/admin/queues").text
    assert "Worker h1:7 disappeared without a goodbye: it had 2 deliveries in flight" in page
