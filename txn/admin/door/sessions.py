"""Sessions that live in a signed cookie: they hold while Redis is away, and every API process understands them."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass

from itsdangerous import BadSignature, URLSafeTimedSerializer

from txn.admin.door.users import User

#: A browser is remembered so long after its last login.
KNOWN_BROWSER_S = 90 * 86_400


@dataclass(frozen=True, slots=True)
class Session:
    """One browser. `user` is None before the login; `nonce` is new with every login, and `began_s` its time."""

    nonce: str
    user: User | None = None
    began_s: int = 0


class Sessions:
    """Makes and reads session cookies and the CSRF tokens that belong to them.

    `secret` signs. Where there is none, the user lines take its place: the same in every process, and as secret.
    A cookie proves its user's password hash: a changed password, or a user who is gone, ends the session.
    """

    def __init__(self, users: Mapping[str, User], secret: str, hours: int) -> None:
        self._users, self._seconds = users, hours * 3600
        lines = "\n".join(f"{user.name}:{user.role}:{user.password_hash}" for user in users.values())
        self._key = hashlib.sha256(f"txn admin\n{secret or lines}".encode()).digest()
        self._signer = self._serializer("txn session")
        self._browsers = self._serializer("txn known browser")

    def new(self, user: User | None = None) -> Session:
        """A session with a nonce that nobody has seen: a cookie from before the login is worth nothing after it."""
        return Session(secrets.token_urlsafe(18), user, int(time.time()))

    def cookie(self, session: Session) -> str:
        """The cookie's value."""
        user = session.user
        return str(self._signer.dumps([session.nonce, user.name if user else "", self._proof(user), session.began_s]))

    def read(self, cookie: str) -> Session | None:
        """The session of a cookie that we have signed, whose login is not too long ago, and whose user is as he was."""
        try:
            nonce, name, proof, began_s = self._signer.loads(cookie, max_age=self._seconds)
        except (BadSignature, ValueError):
            return None
        user = self._users.get(name)
        if name and not user:
            return None
        found = Session(nonce, user, began_s)
        is_his = hmac.compare_digest(proof, self._proof(user))
        return found if is_his and self.remaining_s(found) > 0 else None

    def remaining_s(self, session: Session) -> int:
        """How long it may go on, whatever it is used for."""
        return session.began_s + self._seconds - int(time.time())

    def known_browser(self, user: User) -> str:
        """A cookie for a browser from which this user has logged in."""
        return str(self._browsers.dumps([secrets.token_urlsafe(12), user.name]))

    def knows_browser(self, cookie: str, name: str) -> bool:
        """Whether somebody has logged in with this name from the browser of the cookie."""
        try:
            _, known = self._browsers.loads(cookie, max_age=KNOWN_BROWSER_S)
        except (BadSignature, ValueError):
            return False
        return bool(known == name)

    def csrf(self, session: Session) -> str:
        """The token that every form of this session carries."""
        return self._digest("csrf", session.nonce)

    def csrf_is_right(self, session: Session, token: str) -> bool:
        """Whether a form's token belongs to the session."""
        return hmac.compare_digest(self.csrf(session).encode(), token.encode(errors="replace"))

    def _serializer(self, salt: str) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self._key, salt=salt, signer_kwargs={"digest_method": hashlib.sha256})

    def _proof(self, user: User | None) -> str:
        return self._digest("user", f"{user.role}:{user.password_hash}" if user else "")

    def _digest(self, what: str, text: str) -> str:
        return hmac.new(self._key, f"{what}\n{text}".encode(), hashlib.sha256).hexdigest()
