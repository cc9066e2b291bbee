"""Dramatiq results that are the record itself: nothing is stored a second time."""

from typing import Any

from dramatiq.results.backend import Missing, ResultBackend
from dramatiq.results.result import wrap_exception, wrap_result

from txn.errors import NotFound, TxnError
from txn.model.transaction import Status
from txn.store.transactions import Store


class DeliveryFailedError(TxnError):
    """What `get_result` reports of a failed transaction: its error code and detail."""

    code = "delivery_failed"


class RecordResults(ResultBackend):
    """`deliver.message(id).get_result(block=True)` answers with the settled transaction, in the wire contract's shape.

    It raises ResultFailure for a failed one, ResultMissing or ResultTimeout for one that is unfinished or unknown.
    """

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._records = store

    def build_message_key(self, message: Any) -> str:
        """The transaction's id, whatever the message is called."""
        return str(message.args[0])

    def _get(self, message_key: str) -> Any:
        try:
            transaction = self._records.read(message_key)
        except NotFound:
            return Missing
        if transaction.status is Status.COMPLETED:
            return wrap_result(transaction.to_json())
        if transaction.status is Status.FAILED and transaction.failure:
            failure = transaction.failure
            return wrap_exception(DeliveryFailedError(f"{failure.code}: {failure.detail}"))
        return Missing

    def store_result(self, message: Any, result: Any, ttl: int) -> None:
        """Nothing to do: settle has written it, together with the state."""

    def store_exception(self, message: Any, exception: Exception, ttl: int) -> None:
        """Nothing to do: the record is the result."""
