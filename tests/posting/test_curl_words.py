import pycurl
import pytest

from txn.posting.curl_words import in_words


@pytest.mark.parametrize(
    ("code", "text", "words"),
    [
        (28, "Operation timed out after 5001 milliseconds with 0 bytes received", "no answer within 5 s"),
        (28, "Operation timed out after 301 milliseconds with 0 bytes received", "no answer within 0.3 s"),
        (28, "Connection timed out after 5001 milliseconds", "no connection within 5 s"),
        (28, "Resolving timed out after 5001 milliseconds", "no connection within 5 s"),
        (
            7,
            "Failed to connect to h port 1 after 0 ms",
            "connection refused, or no way there",
        ),
        (6, "Could not resolve host: nowhere", "no such host name"),
        (52, "Empty reply from server", "the connection was closed without an answer"),
        (35, "TLS connect error", "TLS connect error (libcurl 35)"),
    ],
)
def test_the_commonest_errors_have_plain_words(code: int, text: str, words: str) -> None:
    assert in_words(code, text) == words


def test_the_numbers_are_pycurls() -> None:
    assert (pycurl.E_OPERATION_TIMEDOUT, pycurl.E_COULDNT_CONNECT, pycurl.E_GOT_NOTHING) == (28, 7, 52)
