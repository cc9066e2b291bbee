"""Where requests go: the base URL apart from its credentials, and the CA file that vouches for it."""

import base64
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote

import certifi

from txn.errors import BadSettings
from txn.url import split_posting_url


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`url` has no credentials and no slash at its end; `headers` go with every request; `ca_file` is a path (PEM)."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    ca_file: str

    @classmethod
    def parse(cls, base_url: str, ca_file: str | None = None) -> Self:
        """Take `http(s)://[user:password@]host[:port][/path]` apart; percent-encoded credentials are decoded.

        Without `ca_file` the file in SSL_CERT_FILE counts, as with OpenSSL, and without that certifi's bundle: the path
        built into the libcurl of the wheel exists on one family of distributions only.

        Raises: BadSettings; the text shows nothing of the URL.
        """
        try:
            parts = split_posting_url(base_url)
        except ValueError as error:
            raise BadSettings(str(error)) from None
        userinfo, _, host = parts.netloc.rpartition("@")
        url = f"{parts.scheme}://{host}{parts.path.rstrip('/')}"
        return cls(url, {"User-Agent": "txn"} | _basic(userinfo), ca_file or default_ca_file())


def _basic(userinfo: str) -> dict[str, str]:
    if not userinfo:
        return {}
    user, _, password = userinfo.partition(":")
    token = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode())
    return {"Authorization": f"Basic {token.decode()}"}


def default_ca_file() -> str:
    """Of TLS connections to whom nothing else is said about."""
    return os.environ.get("SSL_CERT_FILE") or certifi.where()
