"""`python -m ops.container_api`: the API of docker-compose.yml, with a user for the admin site if none is given."""

import os

from ops.login import NAME, new_login

#: Every address of the container; who reaches it is decided by what docker-compose.yml publishes.
COMMAND = ["gunicorn", "-c", "python:txn.gunicorn_conf", "-b", "0.0.0.0:8000", "txn.wsgi:app"]


def main() -> None:
    """Becomes gunicorn: signals reach it, and its exit code is ours."""
    environment = dict(os.environ)
    if login := new_login(environment):
        password, environment["TXN_ADMIN_USERS"] = login
        print(f"admin site: /admin, as {NAME}, password {password} (until the next start)", flush=True)
    os.execvpe(COMMAND[0], COMMAND, environment)  # noqa: S606


if __name__ == "__main__":
    main()
