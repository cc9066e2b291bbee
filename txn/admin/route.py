"""One line of the route table."""

from collections.abc import Mapping
from dataclasses import dataclass

from txn.admin.door.users import Role

#: Every path of the site begins with it.
ROOT = "/admin"


@dataclass(frozen=True, slots=True)
class Route:
    """A resource at `ROOT + path` (a Falcon URI template), and for each of its methods the least role that may call it.

    A responder without a role, and a role without a responder, stop the site from being made: nothing is open by
    forgetting it. `None` as a role means anybody: only the login and the style sheet are.
    """

    path: str
    resource: object
    roles: Mapping[str, Role | None]

    @property
    def template(self) -> str:
        """The whole URI template, as Falcon knows it."""
        return ROOT + self.path


def page(path: str, resource: object, get: Role = Role.VIEW) -> Route:
    """A page that only shows."""
    return Route(path, resource, {"GET": get})


def action(path: str, resource: object, post: Role = Role.OPERATE) -> Route:
    """A POST that changes something."""
    return Route(path, resource, {"POST": post})
