"""Posted forms."""

from dataclasses import dataclass
from urllib.parse import parse_qsl

import falcon

from txn.server.problem import Malformed

#: A thousand selected ids of 64 characters fit in.
MAX_FORM_BYTES = 256 * 1024
MAX_FIELDS = 2_000


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form in their order; a name may come more than once."""

    fields: tuple[tuple[str, str], ...]

    def one(self, name: str) -> str:
        """The first value of this name, stripped; empty if there is none."""
        return next(iter(self.all(name)), "").strip()

    def all(self, name: str) -> list[str]:
        """Every value of this name."""
        return [value for found, value in self.fields if found == name]


def form(request: falcon.Request) -> Form:
    """The request's urlencoded form; read once, remembered with the request.

    Raises: falcon.HTTPContentTooLarge, falcon.HTTPUnsupportedMediaType, falcon.HTTPBadRequest.
    """
    if "form" not in request.context:
        request.context.form = _read(request)
    found: Form = request.context.form
    return found


def _read(request: falcon.Request) -> Form:
    media_type = (request.content_type or "").partition(";")[0].strip().lower()
    if media_type not in ("", falcon.MEDIA_URLENCODED):
        raise falcon.HTTPUnsupportedMediaType(description=f"send a form as {falcon.MEDIA_URLENCODED}")
    try:
        body: bytes = request.bounded_stream.read(MAX_FORM_BYTES + 1)
    except (Malformed, OSError) as error:
        raise falcon.HTTPBadRequest(description=f"this form could not be read: {error}") from None
    if len(body) > MAX_FORM_BYTES:
        raise falcon.HTTPContentTooLarge(description=f"a form has at most {MAX_FORM_BYTES} bytes: select fewer")
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError as error:
        raise falcon.HTTPBadRequest(description=f"this form cannot be read: {error}") from None
    return Form(tuple(fields))
