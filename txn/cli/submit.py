"""`txn submit`: a transaction, through the API."""

import time
import uuid
from typing import Annotated, Any
from urllib.parse import quote

import requests
import simplejson
import typer
from requests.adapters import HTTPAdapter
from rich.console import Console
from urllib3.util import Retry

from txn.cli.output import AsJson, console, plain, print_json
from txn.errors import Invalid, StoreUnavailable, Unavailable

DEFAULT_URL = "http://127.0.0.1:8000"
TIMEOUT_S = 10
#: What was not answered is sent again, always with the same key: at most one transaction comes of it.
_REPEATS = Retry(
    total=8, connect=0, status_forcelist=[503], allowed_methods=None, backoff_factor=0.1, raise_on_status=False
)
_POLL_S = 0.1


class _ApiAway(Unavailable):
    """The API gave no answer that can be read."""


def submit(
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="100.50, say. It never becomes a float.")],
    currency: Annotated[str, typer.Argument(metavar="CURRENCY", help="USD, say.")],
    description: Annotated[str, typer.Argument(metavar="DESCRIPTION")],
    metadata: Annotated[str, typer.Option(metavar="JSON", help='An object: \'{"order_id": "12345"}\'.')] = "",
    key: Annotated[str, typer.Option(metavar="KEY", help="The Idempotency-Key. Default: a new one.")] = "",
    url: Annotated[str, typer.Option(metavar="URL", help="Where the API is.")] = DEFAULT_URL,
    wait: Annotated[bool, typer.Option("--wait", "-w", metavar="", help="Until it is completed or failed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Submit a transaction to the API, and print its id. Submitting it again with the same key does no harm.

    Exit code [bold]1[/]: it was waited for, and has failed.

    [bold]txn submit 100.50 USD 'Payment' --key order-12345 --wait[/]
    """
    body = {"amount": amount, "currency": currency, "description": description} | _metadata(metadata)
    api = f"{url.rstrip('/')}/api/transactions"
    with requests.Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=_REPEATS))
        key = key or str(uuid.uuid4())
        found = _answer(session, "POST", api, json=body, headers={"Idempotency-Key": key})
        if wait:
            found = _wait(session, f"{api}/{quote(found['transactionId'], safe=':')}", found)
    if as_json:
        print_json(found)
    else:
        console().print(_told(found))
    raise typer.Exit(1 if found["status"] == "failed" else 0)


def _metadata(text: str) -> dict[str, Any]:
    if not text:
        return {}
    try:
        found = simplejson.loads(text, use_decimal=True)
    except ValueError as error:
        raise Invalid("--metadata", f"--metadata is not JSON: {error}") from None
    return {"metadata": found}


def _answer(session: requests.Session, method: str, url: str, **sent: Any) -> dict[str, Any]:
    if "json" in sent:
        body = simplejson.dumps(sent.pop("json"), use_decimal=True).encode()
        sent |= {"data": body, "headers": {**sent["headers"], "Content-Type": "application/json"}}
    try:
        answer = session.request(method, url, timeout=TIMEOUT_S, allow_redirects=False, **sent)
        found = simplejson.loads(answer.content, use_decimal=True)
    except requests.RequestException as error:
        raise _ApiAway(f"the API does not answer at {url}: {type(error).__name__}. --url says where it is") from None
    except ValueError:
        found = None
    if not isinstance(found, dict) or not {"transactionId", "code"} & set(found):
        raise _ApiAway(f"what answers at {url} is not txn's API ({answer.status_code}): --url says where it is")
    if "transactionId" in found:
        return found
    field = found.get("field") or ""
    said = f"{field}: {found.get('detail')}" if field else str(found.get("detail"))
    if answer.status_code == 503:
        raise StoreUnavailable(f"not accepted now: {said}")
    raise Invalid(field, f"refused: {said}")


def _wait(session: requests.Session, url: str, found: dict[str, Any]) -> dict[str, Any]:
    with Console(stderr=True).status(f"{found['transactionId']} is {found['status']}") as spinner:
        while found["status"] not in ("completed", "failed"):
            time.sleep(_POLL_S)
            found = _answer(session, "GET", url)
            spinner.update(f"{found['transactionId']} is {found['status']}")
    return found


def _told(found: dict[str, Any]) -> str:
    line = f"{found['transactionId']}  {found['status']}"
    if error := found.get("error"):
        line += f"  {error['code']}: {plain(str(error['detail']))}"
    return line
