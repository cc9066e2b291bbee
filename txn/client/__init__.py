"""A client of txn's API, for other programs. It needs `requests`, and nothing of what the server is made of.

from txn.client import Client

with Client("http://127.0.0.1:8000") as client:
    transaction = client.submit("100.50", "USD", "Payment", metadata={"order_id": "12345"})
    print(client.wait(transaction.id).status)
"""

from txn.client.answers import BatchResult, Change, Changes, Failure, Page, Submission, Transaction
from txn.client.callbacks import Callback, verify_callback
from txn.client.client import Client
from txn.client.errors import (
    BatchRefused,
    CallbackRefused,
    ClientError,
    Conflict,
    CursorExpired,
    Invalid,
    NotAllowed,
    NotFound,
    NotSigned,
    OutOfTime,
    Refused,
    Unavailable,
    UnexpectedAnswer,
    WrongSignature,
)

__all__ = [
    "BatchRefused",
    "BatchResult",
    "Callback",
    "CallbackRefused",
    "Change",
    "Changes",
    "Client",
    "ClientError",
    "Conflict",
    "CursorExpired",
    "Failure",
    "Invalid",
    "NotAllowed",
    "NotFound",
    "NotSigned",
    "OutOfTime",
    "Page",
    "Refused",
    "Submission",
    "Transaction",
    "Unavailable",
    "UnexpectedAnswer",
    "WrongSignature",
    "verify_callback",
]
