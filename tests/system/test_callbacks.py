from pathlib import Path

import pytest

from tests.callbacks.receiver import KEY, Receiver, line, status
from tests.system.stack import BODY, Stack
from txn.signatures import signature

pytestmark = pytest.mark.timeout(300)


def settings(*lines: str, **more: str) -> dict[str, str]:
    local = {"TXN_ALLOW_HTTP_CALLBACKS": "1", "TXN_CALLBACK_NETWORKS": "127.0.0.0/8"}
    return local | {"TXN_CALLBACKS": "".join(lines)} | more


def heard(receiver: Receiver) -> dict[str, str]:
    """Transaction -> how it ended, of all that were signed as they must be."""
    for one in receiver.received:
        name, at = one.headers["webhook-id"], int(one.headers["webhook-timestamp"])
        assert one.headers["webhook-signature"] == signature(KEY, name, at, one.body)
    return {one.json["data"]["transactionId"]: one.json["type"] for one in receiver.received}


def test_every_end_is_told_whichever_worker_dies(tmp_path: Path) -> None:
    with (
        Receiver() as receiver,
        Stack(tmp_path, settings(line("default", receiver.url), TXN_CALLBACK_TIMEOUT_MS="2000")) as stack,
    ):
        receiver.answers = [receiver.hang] * 4 + [status(500)] * 4 + [status(204)]
        dead = stack.start_worker(1)
        names = stack.submit_many(60)
        receiver.wait_for(2)
        dead.kill()
        stack.start_worker()
        stack.until(lambda: set(heard(receiver)) == set(names), "all ends are told")
        assert set(heard(receiver).values()) == {"transaction.completed"}


def test_a_receiver_that_hangs_does_not_slow_deliveries(tmp_path: Path) -> None:
    with Receiver() as receiver:
        receiver.answers = [receiver.hang]
        allowed = {"TXN_CALLBACK_HOSTS": f"127.0.0.1:{receiver.port}", "TXN_CALLBACK_TIMEOUT_MS": "60000"}
        with Stack(tmp_path, settings(line("default", "-"), **allowed)) as stack:
            stack.start_worker()
            body = BODY | {"callbackUrl": receiver.url}
            first = stack.submit("n-0", body)
            receiver.wait_for(1)
            names = [stack.submit(f"n-{number}", body) for number in range(1, 100)]
            stack.until_quiet()
            stack.check_ledger([first, *names])
            assert len(receiver.received) <= 4
