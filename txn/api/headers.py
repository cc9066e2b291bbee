"""What every answer says in its head, whatever it is an answer to."""

import falcon

from txn.server import request_id
from txn.server.answer import STRICT


class OfEveryAnswer:
    """Falcon middleware. From `process_request` on the log names the request."""

    def process_request(self, request: falcon.Request, _response: falcon.Response) -> None:
        """Takes the request's id, or makes one."""
        request_id.begin(request.env.get("HTTP_X_REQUEST_ID"))

    def process_response(
        self, _request: falcon.Request, response: falcon.Response, _resource: object, _succeeded: bool
    ) -> None:
        """Also of an error."""
        for name, value in STRICT.items():
            response.set_header(name, value)
        response.set_header(request_id.HEADER, request_id.REQUEST_ID.get())
