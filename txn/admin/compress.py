"""Pages are compressed: an overview on a phone, every two seconds, is 8 KB instead of 80."""

import gzip

import falcon

#: Smaller answers fit into a packet or two as they are.
WORTH_IT = 1_400


class Compress:
    """Falcon middleware.

    Cookies are SameSite=Strict: no other site can make a browser fetch our pages and learn a token from their length.
    """

    def process_response(
        self,
        request: falcon.Request,
        response: falcon.Response,
        resource: object,
        succeeded: bool,
    ) -> None:
        """gzip for whoever takes it."""
        response.append_header("Vary", "Accept-Encoding")
        if "gzip" not in (request.get_header("Accept-Encoding") or "") or response.get_header("Content-Encoding"):
            return
        body = response.render_body()
        if body is not None and len(body) >= WORTH_IT:
            response.text, response.data = None, gzip.compress(body, 5)
            response.set_header("Content-Encoding", "gzip")
