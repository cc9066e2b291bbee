"""Puts the admin site beside the API."""

from txn.admin.door.users import read_users
from txn.admin.site import Wsgi, create_site, mount
from txn.parts import Parts
from txn.settings import Settings
from txn.store.durability import DurabilityMonitor

#: A page says that Redis is away; it does not wait for it.
TIMEOUT_MS = 300


def with_admin(api: Wsgi, settings: Settings, durability: DurabilityMonitor) -> Wsgi:
    """The API with the admin site beside it; the API alone, if nobody is named who could log in.

    Raises: BadSettings, naming the line of TXN_ADMIN_USERS that is wrong.
    """
    users = read_users(settings.admin_users)
    if not users:
        return api
    return mount(api, create_site(Parts.open(settings, durability, TIMEOUT_MS), users))
