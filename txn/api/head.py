"""HEAD wherever there is a GET: probes and `curl -I` ask so."""

from typing import Any


class HeadAsGet:
    """Falcon middleware, to be named first: a HEAD is routed and answered as a GET, and then loses its body.

    Its Content-Length stays that of the GET.
    """

    def process_request(self, request: Any, _response: Any) -> None:
        """Before the route is looked up."""
        if request.method == "HEAD":
            request.method = "GET"

    def process_response(self, request: Any, response: Any, _resource: object, _succeeded: bool) -> None:
        """After all other middleware: from here on Falcon knows that it is a HEAD."""
        request.method = request.env["REQUEST_METHOD"]
        allowed = response.get_header("Allow")
        if allowed and "GET" in allowed and "HEAD" not in allowed:
            response.set_header("Allow", allowed.replace("GET", "GET, HEAD"))
