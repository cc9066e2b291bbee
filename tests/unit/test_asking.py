from typing import Any

import redis

from txn.store.asking import ask_all, said


def test_an_answer_in_a_form_that_is_not_known_is_no_answer_and_not_waited_for() -> None:
    def ask(client: Any) -> dict[str, str]:
        return {}[client]  # as of a reply that lacks a field

    told = ask_all([redis.Redis(), redis.Redis()], ask)
    assert said(told) == []
    assert ["in a form that txn does not know (KeyError)" in str(answer.error) for answer in told] == [True, True]
