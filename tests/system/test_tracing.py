import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.posting.raw_server import RawServer
from tests.system.stack import PATIENCE_S, Stack
from tests.unit.test_trace import GIVEN, TRACE

pytestmark = pytest.mark.timeout(300)

#: What `opentelemetry-instrument` does for its user, with a file for a collector.
PROVIDER = """
import os
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

out = open(os.environ["SPANS"], "a", buffering=1)
provider = TracerProvider()
exporter = ConsoleSpanExporter(out=out, formatter=lambda span: span.to_json(indent=None) + os.linesep)
provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=600_000))
trace.set_tracer_provider(provider)
"""


@pytest.fixture
def spans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(PROVIDER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.setenv("SPANS", str(tmp_path / "spans"))
    return tmp_path / "spans"


def read(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("transport", ["curl", "requests"])
def test_api_and_workers_with_a_provider_make_one_trace_of_a_submit_and_its_delivery(
    tmp_path: Path, spans: Path, transport: str
) -> None:
    # So long that there is one attempt, also where the machine stands still.
    patient = {"TXN_POSTING_TIMEOUT_MS": "60000", "TXN_DOUBT_WINDOW_MS": "60000"}
    with Stack(tmp_path, {"TXN_TRANSPORT": transport} | patient) as stack:
        stack.start_worker(module="tests.system.patient_worker")
        stack._session.headers["traceparent"] = GIVEN
        name = stack.submit()
        stack.until_quiet()
        assert read(spans) == []
        for process in ("worker0", "api"):  # what has ended by then is sent
            assert stack.processes[process].stop(PATIENCE_S) == 0
    # A Redis that stands still makes the API answer with 503, and the client repeats it.
    made = [span for span in read(spans) if span["attributes"].get("http.response.status_code") != 503]
    assert len(made) == 4
    found = {span["name"]: span for span in made}
    assert {span["context"]["trace_id"] for span in found.values()} == {f"0x{TRACE}"}
    submit, delivery = found["POST /api/transactions"], found["deliver transaction"]
    assert submit["parent_id"] == f"0x{GIVEN[36:52]}"
    assert delivery["parent_id"] == delivery["links"][0]["context"]["span_id"] == submit["context"]["span_id"]
    assert {submit["attributes"]["txn.transaction.id"], delivery["attributes"]["txn.transaction.id"]} == {name}
    calls = [found["GET /transactions/{id}"], found["POST /transactions"]]
    assert {call["parent_id"] for call in calls} == {delivery["context"]["span_id"]}


def test_an_error_of_the_api_arrives_at_sentry(tmp_path: Path) -> None:
    server, keys = RawServer(), tmp_path / "keys"
    keys.write_text("")
    dsn = f"http://key@127.0.0.1:{server.port}/1"
    with Stack(tmp_path, {"TXN_API_KEYS_FILE": str(keys), "TXN_SENTRY_DSN": dsn}) as stack:
        keys.write_text("S3cret: not a line of keys")
        stack.until(lambda: (stack.health(), server.requests)[1], "the event arrives")
    [request] = server.stop()
    body = request.partition(b"\r\n\r\n")[2]
    text = (gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body).decode()
    assert json.loads(text.splitlines()[-1])["logentry"] == {"message": "%s stay as they were"}
    assert "S3cret" not in text


def test_an_error_that_ends_a_worker_arrives_at_sentry(tmp_path: Path) -> None:
    server = RawServer()
    dsn = f"http://key@127.0.0.1:{server.port}/1"
    with Stack(tmp_path, {"TXN_SENTRY_DSN": dsn}) as stack:
        worker = stack.start_worker(processes=1, module="tests.system.ends_with_an_error")
        assert worker.stop(PATIENCE_S) == 0
    requests = server.stop()
    texts = [gzip.decompress(one.partition(b"\r\n\r\n")[2]).decode() for one in requests]
    assert [json.loads(text.splitlines()[-1])["logentry"] for text in texts] == [{"message": "the last words"}]
