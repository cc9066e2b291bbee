import time
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
import requests
import simplejson

from ops.mock_posting.client import MockPosting
from tests.mock_posting.caller import row


def post(http: requests.Session, mock: MockPosting, body: Any) -> requests.Response:
    text = body if isinstance(body, bytes) else simplejson.dumps(body, use_decimal=True).encode()
    return http.post(f"{mock.url}/transactions", data=text, timeout=60)


def get(http: requests.Session, mock: MockPosting, path: str) -> requests.Response:
    return http.get(f"{mock.url}{path}", timeout=60)


def test_a_posted_row_is_answered_with_201_and_found_by_its_id(http: requests.Session, mock: MockPosting) -> None:
    posted = post(http, mock, row("a"))
    found = get(http, mock, "/transactions/a")
    assert (posted.status_code, found.status_code) == (201, 200)
    assert posted.json() == found.json() == row("a")
    assert found.headers["Content-Type"] == "application/json"


def test_an_unknown_id_is_404_with_the_services_json(http: requests.Session, mock: MockPosting) -> None:
    found = get(http, mock, "/transactions/nobody")
    assert (found.status_code, found.json()) == (404, {"detail": "Transaction not found"})


def test_two_posts_with_the_same_id_are_two_rows_and_get_shows_the_first(
    http: requests.Session, mock: MockPosting
) -> None:
    for description in ("first", "second", "third"):
        assert post(http, mock, row("a", description=description)).status_code == 201
    post(http, mock, row("b"))
    assert [one["description"] for one in mock.rows()] == ["first", "second", "third", "Payment"]
    assert get(http, mock, "/transactions/a").json()["description"] == "first"
    stats = mock.stats()
    assert (stats["rows"], stats["distinct"], stats["duplicates"], stats["duplicate_ids"]) == (4, 2, 2, ["a"])


def test_only_the_first_20_doubled_ids_are_listed(http: requests.Session, mock: MockPosting) -> None:
    for number in range(25):
        post(http, mock, row(f"n{number}"))
        post(http, mock, row(f"n{number}"))
    stats = mock.stats()
    assert (stats["duplicates"], stats["duplicate_ids"]) == (25, [f"n{number}" for number in range(20)])


def test_the_list_can_be_read_in_pages(http: requests.Session, mock: MockPosting) -> None:
    for name in "abcde":
        post(http, mock, row(name))

    def page(query: str) -> str:
        return "".join(one["id"] for one in get(http, mock, f"/transactions{query}").json()["data"])

    assert [page(""), page("?offset=3"), page("?limit=2"), page("?offset=1&limit=2")] == ["abcde", "de", "ab", "bc"]
    assert [page("?limit=0"), page("?offset=9")] == ["", ""]
    assert get(http, mock, "/transactions?offset=-1").status_code == 400
    assert get(http, mock, "/transactions?limit=x").status_code == 400


def test_the_list_is_in_an_object_as_the_originals(http: requests.Session, mock: MockPosting) -> None:
    assert get(http, mock, "/transactions").json() == {"data": []}
    post(http, mock, row("a"))
    assert get(http, mock, "/transactions").json() == {"data": [row("a")]}


def test_an_option_makes_the_list_an_array(http: requests.Session) -> None:
    with MockPosting(options=["--bare-list"]) as mock:
        assert get(http, mock, "/transactions").json() == []
        post(http, mock, row("a"))
        assert get(http, mock, "/transactions").json() == [row("a")]
        assert [one["id"] for one in mock.rows()] == ["a"]


def test_health_answers_as_the_originals(http: requests.Session, mock: MockPosting) -> None:
    found = get(http, mock, "/health").json()
    assert (found.keys(), found["status"]) == ({"status", "timestamp", "version"}, "healthy")
    assert abs(time.time() - datetime.fromisoformat(found["timestamp"]).timestamp()) < 60


def test_cleanup_empties_the_table(http: requests.Session, mock: MockPosting) -> None:
    post(http, mock, row("a"))
    assert http.post(f"{mock.url}/cleanup", timeout=60).status_code == 200
    assert mock.rows() == []
    assert get(http, mock, "/transactions/a").status_code == 404


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (Decimal("100.5"), "100.50"),
        (7, "7.00"),
        ("12.30", "12.30"),
        (Decimal("0.1"), "0.10"),
        (Decimal("0.005"), "0.01"),
        (Decimal("99999999.99"), "99999999.99"),
        (Decimal("-99999999.99"), "-99999999.99"),
        (Decimal("12345678.009999999999999999"), "12345678.01"),
    ],
)
def test_amounts_are_kept_as_decimals_with_two_places(
    http: requests.Session, mock: MockPosting, sent: Any, kept: str
) -> None:
    answer = post(http, mock, row("a", amount=sent))
    assert answer.status_code == 201
    assert f'"amount":{kept},' in answer.text
    assert str(mock.rows()[0]["amount"]) == kept


def test_numbers_in_metadata_keep_their_digits_and_metadata_may_be_anything(
    http: requests.Session, mock: MockPosting
) -> None:
    exact = {"n": Decimal("1.10"), "long": Decimal("0.1234567890123456789012345"), "text": "\u00e9"}
    post(http, mock, row("a", metadata=exact))
    post(http, mock, row("b", metadata='{"as": "text"}'))
    post(http, mock, {name: value for name, value in row("c").items() if name != "metadata"})
    found = [one["metadata"] for one in mock.rows()]
    assert found == [exact, '{"as": "text"}', None]
    assert str(found[0]["n"]) == "1.10"


@pytest.mark.parametrize("body", [b"", b"{", b"not json", b'{"id": NaN}', b"\xff"])
def test_a_body_that_is_not_json_is_422(http: requests.Session, mock: MockPosting, body: bytes) -> None:
    answer = post(http, mock, body)
    assert (answer.status_code, mock.rows()) == (422, [])
    assert "not JSON" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ([], "JSON object"),
        (row(""), "id"),
        (row("a", id=1), "id"),
        ({"id": "a"}, "currency"),
        (row("a", currency=None), "currency"),
        (row("a", amount=None), "amount"),
        (row("a", amount=True), "amount"),
        (row("a", amount="NaN"), "amount"),
        (row("a", amount="Infinity"), "amount"),
        (row("a", amount="ten"), "amount"),
        (row("a", amount=100_000_000), "amount"),
        (row("a", amount=Decimal("99999999.995")), "amount"),
        (row("a", amount=Decimal("1e400")), "amount"),
    ],
)
def test_a_body_that_is_not_a_row_is_422_and_names_the_field(
    http: requests.Session, mock: MockPosting, body: Any, named: str
) -> None:
    answer = post(http, mock, body)
    assert (answer.status_code, mock.rows()) == (422, [])
    assert named in answer.json()["detail"]
    assert mock.stats()["posts"] == 0
