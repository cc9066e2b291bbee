from ops.mock_posting.client import MockPosting
from tests.mock_posting.caller import Caller


def test_after_a_move_old_connections_find_and_write_nothing_and_new_ones_everything(mock: MockPosting) -> None:
    with Caller(mock) as old:
        assert old.post("a").status() == 201
        before = mock.moved()["answers"]
        mock.move()
        assert old.get("/transactions/a").status() == 404
        assert old.post("b").status() == 503
        assert old.get("/transactions/b").status() == 404
        assert mock.moved()["answers"] - before == 3
        assert mock.moved()["connections"] >= 1
        with Caller(mock) as new:
            assert new.get("/transactions/a").status() == 200
            assert new.post("c").status() == 201
    assert [row["id"] for row in mock.rows()] == ["a", "c"]
