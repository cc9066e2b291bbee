from pathlib import Path
from typing import Any

import requests

from tests.system.stack import Stack


def test_a_program_pauses_replays_and_resumes_over_http(tmp_path: Path) -> None:
    # Over 2 s: only real processes show that the API has all that it needs for this.
    with Stack(tmp_path) as stack:

        def ask(method: str, what: str, **words: Any) -> Any:
            answer = requests.request(method, f"{stack.url}/api/operate/{what}", timeout=30, **words)
            assert answer.status_code == 200, answer.text
            return answer.json()

        stack.start_worker()
        stack.mock.faults(reject=1.0)
        ids = stack.submit_many(20)
        stack.until(lambda: stack.numbers()["failed"] == 20, "they are rejected")
        stack.mock.faults()
        ask("PUT", "pause", json={"why": "one after the other"})
        count = ask("GET", "count", params={"code": "rejected"})
        sent = {"run": count["run"], "count": count["count"], "before": count["before"], "what": "replay"}
        ask("POST", "runs", json=sent | {"filter": {"code": "rejected"}})
        stack.until(lambda: ask("GET", f"runs/{count['run']}")["state"] == "done", "the run is done")
        assert stack.numbers()["completed"] == 0
        ask("DELETE", "pause")
        stack.until(lambda: stack.numbers()["completed"] == 20, "all are completed")
        stack.check_ledger(ids)
        told = [(entry["by"], entry["what"]) for entry in ask("GET", "journal")["entries"]]
        assert told == [("api", "resume"), ("api", "replay all: finished"), ("api", "replay all"), ("api", "pause")]
