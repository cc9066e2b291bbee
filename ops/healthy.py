"""`python -m ops.healthy URL`: exit code 0 if it answers with 2xx, else 1. For the health checks of containers."""

import sys
import urllib.error
import urllib.request

#: Less than the health check's own deadline.
_TIMEOUT_S = 1.5


def main(url: str) -> int:
    """Never through a proxy."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=_TIMEOUT_S):
            return 0
    except (OSError, urllib.error.URLError) as error:
        print(f"{url}: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
