import json
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.doctor_rig import alive, found, not_found, posting
from tests.cli.terminal import Commands, Result
from tests.parts import Parts
from txn.doctor import probe_row

Row = dict[str, Any]
Change = Callable[[Row], Row]


class Table:
    """Keeps what it is posted as `kept` makes it; `answers`: to a POST, or None for the row as it is kept."""

    def __init__(self, kept: Change = lambda row: row, answers: tuple[int, bytes] | None = None, late: int = 0) -> None:
        self._kept, self._answers, self._late = kept, answers, late
        self.rows: list[Row] = []

    def __call__(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if method == "POST":
            if row := self._kept(json.loads(body)):
                self.rows.append(row)
            status, said = self._answers or (201, json.dumps(self.rows[-1]).encode())
            return status, {}, said
        if path == "/transactions":
            return 200, {}, json.dumps(self.rows).encode()
        for row in self.rows:
            if path.rpartition("/")[2].lower() == row["id"].lower():
                self._late -= 1
                return not_found(method, path, body) if self._late >= 0 else (200, {}, json.dumps(row).encode())
        return not_found(method, path, body)


def texts(change: Callable[[str], str]) -> Change:
    """Every text but the id changed, as a column's type or a collation does it."""

    def changed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: changed(item) for key, item in value.items()}
        if isinstance(value, list):
            return [changed(item) for item in value]
        return change(value) if isinstance(value, str) else value

    return lambda row: changed(row) | {name: row[name] for name in ("id", "currency", "timestamp")}


def metadata(change: Callable[[Row], Any]) -> Change:
    return lambda row: row | {"metadata": change(row["metadata"])}


def without(drop: Callable[[str, Any], bool]) -> Change:
    return metadata(lambda given: {key: value for key, value in given.items() if not drop(key, value)})


CHANGES: dict[str, Change] = {
    "emoji as ?": texts(lambda text: "".join("?" if ord(sign) > 0xFFFF else sign for sign in text)),
    "ASCII": texts(lambda text: text.encode("ascii", "replace").decode()),
    "Latin-1": texts(lambda text: text.encode("latin-1", "replace").decode("latin-1")),
    "NFC": texts(lambda text: unicodedata.normalize("NFC", text)),
    "NFD": texts(lambda text: unicodedata.normalize("NFD", text)),
    "NFKC": texts(lambda text: unicodedata.normalize("NFKC", text)),
    "cut at 100": texts(lambda text: text[:100]),
    "cut at 254": texts(lambda text: text[:254]),
    "cut at 255 bytes": texts(lambda text: text.encode()[:255].decode("utf-8", "ignore")),
    "trimmed": texts(str.strip),
    "trimmed in front": texts(str.lstrip),
    "trimmed behind": texts(str.rstrip),
    "spaces collapsed": texts(lambda text: text.replace("  ", " ")),
    "lines folded": texts(lambda text: text.replace("\r\n", "\n")),
    "no tabs": texts(lambda text: text.replace("\t", " ")),
    "upper case": texts(str.upper),
    "escaped": texts(lambda text: text.replace("&", "&amp;").replace("<", "&lt;")),
    "unescaped": texts(lambda text: text.replace("\\", "")),
    "the description trimmed": lambda row: row | {"description": row["description"].strip()},
    "no metadata": metadata(lambda _: None),
    "keys dropped": without(lambda key, _: len(key) > 15),
    "nulls dropped": without(lambda _, value: value is None),
    "false and zero dropped": without(lambda _, value: not value and value is not None),
    "the empty key dropped": without(lambda key, _: not key),
    "nested values dropped": without(lambda _, value: isinstance(value, dict)),
    "keys in lower case": metadata(lambda given: {key.lower(): value for key, value in given.items()}),
    "snake case": metadata(lambda given: {key.replace("C", "_c"): value for key, value in given.items()}),
    "values as text": metadata(lambda given: {key: str(value) for key, value in given.items()}),
    "numbers as floats": metadata(lambda given: json.loads(json.dumps(given), parse_int=float)),
    "digits as numbers": metadata(lambda given: given | {"digits": 7}),
    "dates": metadata(lambda given: given | {"date": "2026-01-02T03:04:05"}),
    "lists sorted": metadata(lambda given: given | {"nested": given["nested"] | {"list": [None, 1, 3, "3"]}}),
    "rounded": lambda row: row | {"amount": round(row["amount"])},
    "in cents": lambda row: row | {"amount": row["amount"] * 100},
    "another currency": lambda row: row | {"currency": row["currency"].lower()},
}


@pytest.fixture
def doctor(txn: Commands, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> Callable[[Table], Result]:
    monkeypatch.setattr(probe_row, "LATE_PATIENCE_S", 0.3)
    alive(parts)

    def run(table: Table) -> Result:
        with posting(table) as url:
            return txn("doctor", "--post", "--yes", "--json", TXN_POSTING_URL=url)

    return run


Doctor = Callable[[Table], Result]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_content_that_comes_back_changed_is_wrong(doctor: Doctor, change: Change) -> None:
    done = doctor(Table(change))
    assert (done.code, found(done, "posting content")["level"]) == (1, "bad")
    assert "comes back changed: " in found(done, "posting content")["found"]


def test_what_has_changed_is_named(doctor: Doctor) -> None:
    done = doctor(Table(lambda row: row | {"amount": 0, "metadata": None}))
    assert found(done, "posting content")["found"] == "comes back changed: amount, metadata"


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row,
        lambda row: row | {"amount": str(row["amount"]), "metadata": json.dumps(row["metadata"])},
        lambda row: row | {"timestamp": "now", "createdAt": 1, "status": "ok"},
    ],
)
def test_what_does_not_count_may_change(doctor: Doctor, change: Change) -> None:
    done = doctor(Table(change))
    assert done.code == 0, done.out
    assert found(done, "posting content")["found"] == "comes back unchanged"


@pytest.mark.parametrize("change", [str.lower, lambda text: text[:32], lambda text: f" {text}"])
def test_an_id_that_comes_back_changed_is_wrong(doctor: Doctor, change: Callable[[str], str]) -> None:
    done = doctor(Table(lambda row: row | {"id": change(row["id"])}))
    assert (done.code, found(done, "posting POST")["level"]) == (1, "bad")
    assert "without the id of the transaction" in found(done, "posting POST")["found"]
    assert found(done, "posting content")["level"] == "bad"


NO_PROOF = [(200, b"<html>Request Rejected</html>"), (201, b""), (200, b'{"success": false}'), (201, b"null")]


@pytest.mark.parametrize("answers", NO_PROOF)
@pytest.mark.parametrize(
    ("kept", "level", "said"),
    [(lambda _: {}, "bad", "the row is not there after "), (lambda row: row, "ok", "comes back unchanged")],
)
def test_an_answer_that_proves_no_write_is_wrong_and_whether_the_row_is_there_is_said(
    doctor: Doctor, answers: tuple[int, bytes], kept: Change, level: str, said: str
) -> None:
    done = doctor(Table(kept, answers))
    assert (done.code, found(done, "posting POST")["level"]) == (1, "bad")
    assert f"answered {answers[0]} without the id" in found(done, "posting POST")["found"]
    assert found(done, "posting content")["level"] == level
    assert found(done, "posting content")["found"].startswith(said)


def test_a_row_that_is_claimed_to_be_written_and_is_not_there_is_wrong(doctor: Doctor) -> None:
    done = doctor(Table(late=1_000))
    assert (done.code, found(done, "posting POST")["level"]) == (1, "note")
    assert found(done, "posting content")["level"] == "bad"
    assert found(done, "posting content")["found"].startswith("the row is not there after ")


def test_a_row_that_shows_late_is_a_warning(doctor: Doctor) -> None:
    done = doctor(Table(late=1))
    assert (done.code, found(done, "posting content")["level"]) == (0, "warn")
    assert "TXN_DOUBT_WINDOW_MS" in found(done, "posting content")["do"]


def test_a_refusal_after_the_write_is_said(doctor: Doctor) -> None:
    done = doctor(Table(answers=(422, b"no")))
    assert (done.code, found(done, "posting content")["found"]) == (1, "it has refused the row, and holds it")
