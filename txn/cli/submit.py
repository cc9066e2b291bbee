"""`txn submit`: a transaction, through the API."""

import time
import uuid
from typing import Annotated, Any

import simplejson
import typer
from rich.console import Console

from txn.cli.api import Api, ApiAway
from txn.cli.output import AsJson, console, plain, print_json
from txn.errors import Invalid

DEFAULT_URL = "http://127.0.0.1:8000"
_POLL_S = 0.1


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
    with Api(url) as api:
        found = _submitted(api, body, key or str(uuid.uuid4()))
        if wait:
            found = _wait(api, found)
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


def _submitted(api: Api, body: dict[str, Any], key: str) -> dict[str, Any]:
    """Whoever is not answered must know the key, or submits twice."""
    try:
        return api.submit(body, key)
    except ApiAway as error:
        raise ApiAway(f"{error}. It may have been stored: repeat it with --key {key}, and it is stored once") from None


def _wait(api: Api, found: dict[str, Any]) -> dict[str, Any]:
    name = found["transactionId"]
    try:
        with Console(stderr=True).status(f"{name} is {found['status']}") as spinner:
            while found["status"] not in ("completed", "failed"):
                time.sleep(_POLL_S)
                found = api.read(name)
                spinner.update(f"{name} is {found['status']}")
    except ApiAway as error:
        raise ApiAway(f"{name} was accepted and goes on, but {error}") from None
    except KeyboardInterrupt:
        typer.echo(f"\n{name} was accepted and goes on without you: txn show {name}", err=True)
        raise
    return found


def _told(found: dict[str, Any]) -> str:
    line = f"{found['transactionId']}  {found['status']}"
    if error := found.get("error"):
        line += f"  {error['code']}: {plain(str(error['detail']))}"
    return line
