from importlib.util import find_spec

#: `make test` does without selenium; `make test-browser` installs it.
if find_spec("selenium") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    from tests.browser.fixtures import chromium, world  # noqa: F401
