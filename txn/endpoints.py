"""Where clients want callbacks, and the secrets that these are signed with, as TXN_CALLBACKS and its file hold them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import SplitResult, urlsplit

from txn.api_keys import DEFAULT_CLIENT
from txn.errors import BadSettings
from txn.signatures import secret_bytes

MAX_URL = 2_048
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_VISIBLE = re.compile(r"[!-~]+")
_HOST = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*|[0-9a-f:.]+"
)
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_FORM = "CLIENT URL SECRET[,SECRET]; - in place of the URL, if only submissions name one"


def split_callback_url(url: str, *, allow_http: bool) -> SplitResult:
    """`https://host[:port][/path][?query]`, taken apart.

    Raises: ValueError, which shows nothing of the URL: it may hold a password.
    """
    schemes = ("https", "http") if allow_http else ("https",)
    try:
        parts = urlsplit(url)
        valid = bool(_VISIBLE.fullmatch(url) and len(url) <= MAX_URL and _HOST.fullmatch(parts.hostname or ""))
        valid = valid and parts.port != 0 and not {"@", "\\", "%"} & set(parts.netloc) and "#" not in url
    except ValueError:
        valid = False
    if not valid or parts.scheme not in schemes:
        raise ValueError(
            f"must be {' or '.join(f'{scheme}://' for scheme in schemes)} and a host, and after it at most a port, a "
            f"path and a query, without user, password and fragment: at most {MAX_URL} visible ASCII characters"
        )
    return parts


def split_hosts(text: str) -> list[str]:
    """`hooks.shop.example,*.partner.example:8443`: each with its port, if it is not the scheme's own.

    Raises: ValueError, naming what is no host.
    """
    hosts = [part.strip().lower() for part in text.split(",") if part.strip()]
    for host in hosts:
        name, _, port = host.removeprefix("*.").partition(":")
        if not _HOST.fullmatch(name) or not (host.endswith(name) or _PORT.fullmatch(port)):
            raise ValueError(
                f"TXN_CALLBACK_HOSTS: {host[:100]!r} is no host: use hooks.shop.example, *.partner.example or "
                "hooks.shop.example:8443"
            )
    return hosts


def shown(url: str) -> str:
    """A URL for logs and pages: what stands behind the path may be a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}{'?…' if parts.query else ''}" if parts.netloc else url


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One client's. `url`: where it is told by default, or empty. Callbacks are signed with each of the `secrets`."""

    url: str = field(repr=False)
    secrets: tuple[bytes, ...] = field(repr=False)


class Endpoints:
    """All of them, by client; the one without a name is the empty string."""

    def __init__(self, by_client: Mapping[str, Endpoint]) -> None:
        self._by_client = dict(by_client)

    def __len__(self) -> int:
        return len(self._by_client)

    @classmethod
    def parse(cls, text: str, place: str, *, allow_http: bool = False) -> Self:
        """`text`: a line for each client; empty ones and those with `#` in front do not count.

        Raises: BadSettings, naming the line, never a secret or a URL.
        """
        found: dict[str, Endpoint] = {}
        for where, line in _lines(text, place):
            client, endpoint = _endpoint(where, line, allow_http)
            if client in found:
                raise BadSettings(f"{where}: this client has a line already: put several secrets into one, with commas")
            found[client] = endpoint
        return cls(found)

    def of(self, client: str) -> Endpoint | None:
        """None: this client gets no callbacks."""
        return self._by_client.get(client)


def _lines(text: str, place: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if (line := line.strip()) and not line.startswith("#"):
            yield f"{place} line {number}", line


def _endpoint(where: str, line: str, allow_http: bool) -> tuple[str, Endpoint]:
    words = line.split()
    if len(words) != 3 or not _NAME.fullmatch(words[0]):
        raise BadSettings(f"{where}: the line must be {_FORM}")
    name, url, said = words
    try:
        if url != "-":
            split_callback_url(url, allow_http=allow_http)
        secrets = tuple(secret_bytes(one) for one in said.split(","))
    except ValueError as error:
        what = "the URL " if str(error).startswith("must") else ""
        raise BadSettings(f"{where}: {what}{error}") from None
    return "" if name == DEFAULT_CLIENT else name, Endpoint("" if url == "-" else url, secrets)
