import secrets
from collections.abc import Callable, Mapping
from typing import Any

import requests

from ops.mock_posting.client import MockPosting
from tests.parts import BODY, Parts, submission
from txn.audit.audit import Audit
from txn.audit.lookups import Lookups
from txn.audit.report import Report
from txn.model.content import dumps, loads
from txn.model.outcome import Clear, Completed, Failed, Outcome, Settlement
from txn.model.transaction import ErrorCode, Evidence
from txn.posting.curl import CurlTransport
from txn.posting.listing import PostingList
from txn.posting.service import PostingService
from txn.readers.records import RecordReader
from txn.store.integrity import Integrity


class Gate:
    """Does something when a stage of the audit begins."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self._actions: dict[str, list[Callable[[], object]]] = {}

    def before(self, name: str, act: Callable[[], object]) -> None:
        self._actions.setdefault(name, []).append(act)

    def stage(self, name: str, total: int | None) -> None:
        self.stages.append(name)
        for act in self._actions.pop(name, []):
            act()

    def advance(self, count: int) -> None:
        pass


class Rig:
    """A store and a posting service, brought into states without any delivery, and the audit of both."""

    def __init__(self, parts: Parts, mock: MockPosting) -> None:
        self.parts, self.mock, self.gate = parts, mock, Gate()
        self.pauses: list[float] = []
        self.lags: list[float] = []

    def audit(self, url: str | None = None) -> Report:
        url = url or self.mock.url
        transport = CurlTransport(url)
        lookups = Lookups(PostingService(transport, 2_000).find, transport.close, self.pauses.append)
        reader = RecordReader(self.parts.database)
        integrity = Integrity(self.parts.database, "@ID@").look_at_all
        return Audit(reader, PostingList(url).rows, lookups, integrity, self.gate, sleep=self.lags.append).run()

    def accept(self, body: bytes = BODY) -> str:
        name = secrets.token_hex(8)
        return self.parts.store.accept(submission(name, body))[0].id

    def settle(self, name: str, outcome: Outcome) -> None:
        claim = self.parts.claimed(name)
        assert self.parts.store.settle(name, claim.owner, Settlement(outcome)) == "settled"

    def complete(self, name: str, evidence: Evidence = Evidence.POSTED) -> None:
        self.settle(name, Completed(evidence))

    def fail(self, name: str, code: ErrorCode) -> None:
        self.settle(name, Failed(code, "why", Clear()))

    def post(self, name: str) -> None:
        """What a delivery does, from its POST on."""
        self.write(name)
        self.complete(name)

    def write(self, name: str, body: bytes = BODY, **changes: Any) -> None:
        """Put a row there."""
        row: Mapping[str, Any] = {"metadata": None} | loads(body) | {"id": name, "timestamp": "t"} | changes
        answer = requests.post(
            f"{self.mock.url}/transactions",
            data=dumps(row),
            headers={"Content-Type": "application/json"},
            timeout=60,
        )
        assert answer.status_code == 201, answer.text

    def done(self, name: str, body: bytes = BODY) -> str:
        """Completed under this id; what is there is for the test to say."""
        self.parts.store.accept(submission(name, body))
        self.complete(name)
        return name

    def once(self) -> str:
        name = self.accept()
        self.post(name)
        return name

    def failed(self, code: ErrorCode) -> str:
        name = self.accept()
        self.fail(name, code)
        return name


def ids(report: Report, name: str) -> set[str]:
    return {finding.id for finding in report.findings.get(name, [])}


def counted(report: Report) -> dict[str, int]:
    return {verdict.value: count for verdict, count in report.counts.items() if count}
