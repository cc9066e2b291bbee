"""`txn submit`: a transaction, through the API."""

import os
import shlex
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console

from txn.cli.api import Api, ApiAway, NotSent
from txn.cli.output import AsJson, plain, print_json, write
from txn.cli.times import length_ms
from txn.errors import Invalid
from txn.model.content import loads
from txn.model.ids import checked_key
from txn.model.transaction import rfc3339
from txn.model.unheld import loads_marked

#: `make run` takes its port from the same variable.
DEFAULT_URL = "http://127.0.0.1:{}"
DEFAULT_PORT = "8000"
_POLL_S = 0.1


Amount = Annotated[str, typer.Argument(metavar="AMOUNT", help="For example 100.50. It never becomes a float.")]
Currency = Annotated[str, typer.Argument(metavar="CURRENCY", help="For example USD.")]
Description = Annotated[str, typer.Argument(metavar="DESCRIPTION")]
Metadata = Annotated[
    str | None, typer.Option(metavar="JSON", help='A JSON object: \'{"order_id": "12345"}\'.', show_default=False)
]
Key = Annotated[
    str | None, typer.Option(metavar="KEY", help="The Idempotency-Key. Default: a new one.", show_default=False)
]
DeliverBy = Annotated[
    str | None,
    typer.Option(metavar="WHEN", help="No POST begins after it: 30m, 2026-11-29T06:00:00Z.", show_default=False),
]
Url = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="Where the API is. Default: this machine, port TXN_PORT or 8000.", show_default=False
    ),
]
Wait = Annotated[bool, typer.Option("--wait", "-w", metavar="", help="Wait until it is completed or failed.")]


def submit(
    amount: Amount,
    currency: Currency,
    description: Description,
    metadata: Metadata = None,
    key: Key = None,
    deliver_by: DeliverBy = None,
    url: Url = None,
    wait: Wait = False,
    as_json: AsJson = False,
) -> None:
    """Submit a transaction to the API, and print its id. Submitting it again with the same key does no harm.

    Exit code [bold]1[/]: with --wait, the transaction has failed.

    [bold]txn submit 100.50 USD 'Payment' --key order-12345 --wait[/]
    """
    texts = {"amount": amount, "currency": currency, "description": description}
    with _nothing_sent():
        body = {name: _utf8(name, text) for name, text in texts.items()} | _metadata(metadata)
        body |= _deliver_by(deliver_by)
        key = _key(key)
    if url is None:
        url = DEFAULT_URL.format(os.environ.get("TXN_PORT") or DEFAULT_PORT)
    with Api(url, os.environ.get("TXN_API_KEY", "")) as api:
        found = _submitted(api, body, key)
        if wait:
            found = _wait(api, found)
    if as_json:
        print_json(found)
    else:
        write(_told(found))
    raise typer.Exit(1 if found["status"] == "failed" else 0)


@contextmanager
def _nothing_sent() -> Iterator[None]:
    """Whoever is refused here need not ask what has become of it."""
    try:
        yield
    except Invalid as error:
        raise Invalid(error.field, f"{error}. Nothing was sent") from None


def _utf8(name: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Invalid(name, f"{name} holds bytes that are not UTF-8") from None
    return text


def _key(text: str | None) -> str:
    if text is None:
        return str(uuid.uuid4())
    if not text:
        raise Invalid("--key", "--key is empty (a variable that is not set?): leave it out for a new key")
    try:
        return checked_key(text)
    except Invalid as error:
        raise Invalid("--key", f"--key {error}") from None


def _metadata(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    if not text:
        raise Invalid("--metadata", "--metadata is empty (a variable that is not set?): leave it out for none")
    written = _utf8("--metadata", text).encode()
    try:
        return {"metadata": loads(written)}
    except ValueError as error:
        raise Invalid("--metadata", f"--metadata {_fault(written, error)}") from None


def _deliver_by(text: str | None) -> dict[str, str]:
    """A length of time counts from now; a moment is checked by the API."""
    if text is None:
        return {}
    if (ahead_ms := length_ms(text)) is not None:
        return {"deliverBy": rfc3339(time.time_ns() // 1_000_000 + ahead_ms)}
    return {"deliverBy": text}


def _fault(written: bytes, error: ValueError) -> str:
    """A number that cannot be held is JSON all the same, but then nothing else is wrong."""
    try:
        loads_marked(written)
    except ValueError:
        return f"is not JSON: {error}"
    if "Internal error" in str(error) or "out of range" in str(error):
        return "holds a number that is too large"
    return f"is not JSON: {error}"


def _submitted(api: Api, body: dict[str, Any], key: str) -> dict[str, Any]:
    """Whoever is not answered must know the key, or submits twice; unless nothing was sent."""
    repeat = f"It may have been stored: repeat it with --key {shlex.quote(key)}, and it is stored once"
    try:
        return api.submit(body, key)
    except NotSent:
        raise
    except ApiAway as error:
        raise ApiAway(f"{error}. {repeat}") from None
    except KeyboardInterrupt:
        typer.echo(f"\n{repeat}", err=True)
        raise


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
        typer.echo(f"\n{name} was accepted and goes on: txn show {name}", err=True)
        raise
    return found


def _told(found: dict[str, Any]) -> str:
    line = f"{plain(found['transactionId'])}  {plain(found['status'])}"
    if isinstance(error := found.get("error"), dict):
        line += f"  {plain(str(error.get('code')))}: {plain(str(error.get('detail')))}"
    return line
