"""`txn keys`: who may use the API. It edits the file that API processes read again by themselves."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from txn.api_keys import DEFAULT_CLIENT, ApiKey, KeyRing, Role, new_key
from txn.cli.output import AsJson, Yes, ask, console, plain, print_json
from txn.errors import BadSettings, Invalid, NotFound
from txn.settings import Settings

File = Annotated[str, typer.Option("--file", metavar="PATH", help="Default: TXN_API_KEYS_FILE.")]

keys = typer.Typer(
    no_args_is_help=True, rich_markup_mode="rich", help="Make, list and revoke the API's keys.", add_completion=False
)


@keys.command("create")
def create(
    client: Annotated[
        str,
        typer.Argument(metavar="CLIENT", help=f"Whose key it is. {DEFAULT_CLIENT}: of what was sent without a key."),
    ],
    role: Annotated[
        list[Role] | None, typer.Option("--role", help="Once for each role. Default: submit and read.")
    ] = None,
    file: File = "",
) -> None:
    """Make a key, and print it, once: the file holds its hash. A client may have several, to change them one by one.

    [bold]txn keys create shop[/]

    [bold]txn keys create monitoring --role operate[/]
    """
    token, made = new_key(client, role or [Role.SUBMIT, Role.READ], datetime.now(UTC).date())
    path = _path(file)
    with _changing(path, may_be_new=True) as change:
        change(lambda text: f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{made.line()}\n")
    typer.echo(f"{path}: key {made.id} of {client}, for {_roles(made)}. It is shown only here:", err=True)
    typer.echo(token)


@keys.command("list")
def list_keys(file: File = "", as_json: AsJson = False) -> None:
    """Show who has keys, for what, and since when.

    [bold]txn keys list[/]
    """
    found = _read(_path(file))
    if as_json:
        print_json(
            [
                {"id": key.id, "client": key.name, "roles": sorted(key.caller.roles), "made": key.made}
                for key in found.keys
            ]
        )
        return
    table = Table("id", "client", "roles", "made", box=None, padding=(0, 2, 0, 0), header_style="dim")
    for key in found.keys:
        table.add_row(key.id, key.name, _roles(key), plain(key.made))
    console().print(table)


@keys.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `txn keys list` shows it.")],
    file: File = "",
    yes: Yes = False,
) -> None:
    """Let a key be valid no more. API processes notice within a second.

    [bold]txn keys revoke 3f2a91c07b44[/]
    """
    path = _path(file)
    wanted = [key for key in _read(path).keys if key.id == key_id]
    if not wanted:
        raise NotFound(f"{path} has no key {plain(key_id)}: `txn keys list` shows them")
    ask(f"Revoke the key {key_id} of {wanted[0].name}?", yes=yes)
    digest = wanted[0].digest.hex()
    with _changing(path) as change:
        change(lambda text: "".join(line for line in text.splitlines(keepends=True) if f":{digest}:" not in line))
    typer.echo(f"Revoked: {key_id} of {wanted[0].name}.")


def _roles(key: ApiKey) -> str:
    return ", ".join(sorted(key.caller.roles))


def _path(given: str) -> Path:
    settings = Settings.from_environment(os.environ)
    if name := given or settings.api_keys_file:
        return Path(name).resolve()  # what a link leads to is changed, not the link
    raise Invalid("--file", "no file is named: set TXN_API_KEYS_FILE, or give --file")


def _read(path: Path) -> KeyRing:
    try:
        return KeyRing.parse(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        raise NotFound(f"there is no {path}: `txn keys create` makes it") from None
    except (OSError, ValueError) as error:
        raise BadSettings(f"{path} cannot be read: {error}") from None


def _belong_to_the_same(path: Path, descriptor: int) -> None:
    found = path.stat()
    os.fchmod(descriptor, found.st_mode & 0o777)
    with suppress(PermissionError):  # only root can give files away
        os.fchown(descriptor, found.st_uid, found.st_gid)


@contextmanager
def _changing(path: Path, *, may_be_new: bool = False) -> Iterator[Callable[[Callable[[str], str]], None]]:
    """Change the file as a whole, one after the other; what is not a valid file is never put in its place."""

    def change(edit: Callable[[str], str]) -> None:
        old = "" if may_be_new and not path.exists() else path.read_text(encoding="utf-8")
        new = edit(old)
        KeyRing.parse(new, str(path))
        beside = path.with_name(f".{path.name}.new")
        beside.unlink(missing_ok=True)
        with beside.open("x", encoding="utf-8") as written:
            if path.exists():
                _belong_to_the_same(path, written.fileno())
            written.write(new)
            written.flush()
            os.fsync(written.fileno())
        beside.replace(path)

    try:
        with path.with_name(f".{path.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield change
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(f"{path} cannot be written: {error}") from None
