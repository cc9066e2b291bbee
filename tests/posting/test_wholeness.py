import json
from typing import Any

import pytest

from txn.model.content import loads
from txn.posting.wholeness import lists, why_not_whole


def why(members: dict[str, Any], rows: int = 3) -> str | None:
    return why_not_whole(loads(json.dumps({"data": []} | members).encode()), rows)


@pytest.mark.parametrize(
    "members",
    [
        *({"next": value} for value in ("/transactions?page=2", 2, True, {"href": "/t?page=2"}, "abc")),
        *(
            {name: "x"}
            for name in ("nextPage", "next_page_url", "nextpage", "NextToken", "@odata.nextLink", "next-page")
        ),
        *(
            {name: "x"}
            for name in ("nextCursor", "continuationToken", "LastEvaluatedKey", "NEXT_MARKER", "nextPageToken")
        ),
        *(
            {name: True}
            for name in ("hasMore", "has_more", "hasnext", "hasNextPage", "more", "truncated", "isTruncated")
        ),
        *(
            {name: 4}
            for name in ("total", "total_count", "totalElements", "count", "Total", "totalrows", "totalResults")
        ),
        *({name: 2} for name in ("totalPages", "total_pages", "pageCount", "pages", "lastPage", "last_page")),
        *({"total": value} for value in ("109", 4.0, 10**17)),
        *({"last": False}, {"isLast": False}, {"partial": True}, {"incomplete_results": True}),
        *({"links": {"self": "/t", "next": "/t?2"}}, {"_links": {"next": {"href": "/t?2"}}}, {"meta": {"total": 9}}),
        {"next": None, "total": 9},
        {"pageInfo": {"endCursor": "x", "hasNextPage": True}},
    ],
    ids=json.dumps,
)
def test_a_list_that_says_that_there_is_more_is_not_whole(members: dict[str, Any]) -> None:
    said = why(members)
    assert said is not None
    assert "is incomplete" in said


@pytest.mark.parametrize(
    "members",
    [
        *({name: 1} for name in ("page", "currentPage", "page_number", "pageNo", "pagenumber")),
        *({"cursor": "abc"}, {"limit": 100}, {"offset": 0}, {"skip": 0}, {"per_page": 20}, {"pageSize": 20}),
        *({"pagination": {"page": 1}}, {"paging": "yes"}, {"last": "/t?page=9"}, {"total_pages": "many"}),
        {"links": {"self": "/t?page=1", "last": "/t?page=9"}},
    ],
    ids=json.dumps,
)
def test_a_list_that_speaks_of_pages_in_words_that_nobody_understands_may_not_be_whole(members: dict[str, Any]) -> None:
    said = why(members)
    assert said is not None
    assert "may be incomplete" in said


@pytest.mark.parametrize(
    "members",
    [
        *({}, {"status": "ok"}, {"message": "next page, more"}, {"lastUpdated": "2025-11-28"}, {"timestamp": 9}),
        *({"next": value} for value in (None, False, "", {}, {"href": None}, 0)),
        *({name: value} for name in ("total", "count", "totalCount") for value in (3, 2, "3", 3.0)),
        *({"total": 3, "page": 1, "pageSize": 20}, {"page": 1, "pages": 1}, {"page": 1, "totalPages": 1}),
        *({"limit": 100, "offset": 0, "hasMore": False}, {"cursor": None}, {"last": True, "number": 0, "size": 20}),
        {"pagination": {"page": 1, "per_page": 50, "total": 3, "next": None, "prev": None}},
        {"account": 77, "discounts": 12, "country": 840, "first": True, "previous": "/t?page=0"},
        {"content": "x", "pageable": {"pageNumber": 0}, "totalPages": 1, "totalElements": 3, "last": True},
        {"total": 1234.5},
    ],
    ids=json.dumps,
)
def test_nothing_speaks_against_a_list_that_says_that_it_is_all_or_nothing_about_it(members: dict[str, Any]) -> None:
    assert why(members) is None


def test_what_it_says_is_shown_and_cut() -> None:
    said = why({"next": "x" * 1_000})
    assert said is not None
    assert said.startswith('is incomplete: "next": "xxx')
    assert len(said) < 200


def test_arrays_are_counted_at_every_depth_but_not_in_arrays() -> None:
    assert lists({"a": [[]], "b": {"c": [1], "d": {"e": 1}}, "f": "[]"}) == 2
