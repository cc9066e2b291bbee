"""`use_generated.py URL NAME`, beside the package `made`, which was generated of /openapi.json: story.py with it."""

import sys

from made import AuthenticatedClient  # type: ignore[import-not-found]
from made.api.default import cancel, list_, status, submit, submit_batch  # type: ignore[import-not-found]
from made.models import (  # type: ignore[import-not-found]
    BatchItem,
    BatchItemCurrency,
    NewTransaction,
    NewTransactionCurrency,
    NewTransactionMetadata,
    Problem,
)

url, name = sys.argv[1:]
key = f"{name}-0"
# Where no keys are set up, none is looked at.
client = AuthenticatedClient(base_url=url, token="none")


def payment(amount: float | str) -> NewTransaction:
    metadata = NewTransactionMetadata.from_dict({"order_id": "12345"})
    return NewTransaction(amount, NewTransactionCurrency.USD, "Payment", metadata=metadata)


answer = submit.sync_detailed(client=client, body=payment("100.50"), idempotency_key=key)
first = answer.parsed
assert not isinstance(first, Problem), answer.content
print("submit", int(answer.status_code), first.status.value)
again = submit.sync_detailed(client=client, body=payment("100.50"), idempotency_key=key)
is_same = str(again.parsed.transaction_id == first.transaction_id).lower()
print("repeat", int(again.status_code), again.headers["Idempotent-Replayed"], is_same)
while (found := status.sync(first.transaction_id, client=client, wait=20)).completed_at is None:
    pass
print("wait", found.status.value, found.error)
items = [
    BatchItem(amount, BatchItemCurrency.USD, "Payment", idempotency_key=f"{name}-{number}")
    for number, amount in enumerate(["100.50", "100.50", "-1"], 1)
]
results = submit_batch.sync(client=client, body=items).results
print("batch", *(one.result.value for one in results))
ours = {first.transaction_id, *(one.transaction.transaction_id for one in results[:2])}
page = list_.sync(client=client, since=first.submitted_at, limit=2)
listed = page.transactions
while page.cursor is not None:
    page = list_.sync(client=client, since=first.submitted_at, limit=2, cursor=page.cursor)
    listed += page.transactions
print("listed", sum(one.transaction_id in ours for one in listed))
conflict = submit.sync(client=client, body=payment(7), idempotency_key=key)
assert isinstance(conflict, Problem)
print("conflict", conflict.status, conflict.code, *conflict.differs)
wrong = BatchItem("100.50", BatchItemCurrency.JPY, "Payment")
[invalid] = submit_batch.sync(client=client, body=[wrong]).results
print("invalid", invalid.problem.status, invalid.problem.code, invalid.problem.field)
ended = cancel.sync(first.transaction_id, client=client)
print("ended", ended.status, ended.code)
missing = status.sync(f"{name}-nobody", client=client)
print("missing", missing.status, missing.code, str(missing.retryable).lower())
