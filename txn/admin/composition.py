"""The admin site, made of its parts."""

from txn.admin.door.users import read_users
from txn.admin.site import Wsgi, create_site
from txn.operate.tools import Parts
from txn.settings import Settings
from txn.store.durability import DurabilityMonitor

#: A page says that Redis is away; it does not wait for it.
TIMEOUT_MS = 300


def open_site(settings: Settings, durability: DurabilityMonitor) -> Wsgi | None:
    """The admin site, to be mounted beside the API; None, if nobody is named who could log in.

    Raises: BadSettings, naming the line of TXN_ADMIN_USERS that is wrong.
    """
    users = read_users(settings.admin_users)
    return create_site(Parts.open(settings, durability, TIMEOUT_MS), users) if users else None
