"""What libcurl's commonest errors are in plain words, for records, logs and pages."""

import re

import pycurl

_AFTER = re.compile(r"after (\d+) m(illi)?s")


def in_words(code: int, text: str) -> str:
    """One line; an error that has no words of ours keeps libcurl's text and its number."""
    found = _AFTER.search(text)
    within = f" within {int(found[1]) / 1000:.2g} s" if found and int(found[1]) >= 10 else ""
    if code == pycurl.E_OPERATION_TIMEDOUT:
        if text.startswith("Operation"):
            return f"no answer{within}"
        return f"no connection{within}"
    if code == pycurl.E_COULDNT_CONNECT:
        return "connection refused, or no way there"
    if words := _WORDS.get(code):
        return words
    return f"{text} (libcurl {code})"


_WORDS = {
    pycurl.E_COULDNT_RESOLVE_HOST: "no such host name",
    pycurl.E_GOT_NOTHING: "the connection was closed without an answer",
    pycurl.E_PARTIAL_FILE: "the answer broke off",
    pycurl.E_SEND_ERROR: "the connection broke while sending",
    pycurl.E_RECV_ERROR: "the connection was reset",
}
