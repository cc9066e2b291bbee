"""Sessions that live in a signed cookie: they hold while Redis is away, and every API process understands them."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from itsdangerous import BadSignature, URLSafeTimedSerializer

from txn.admin.door.users import User


@dataclass(frozen=True, slots=True)
class Session:
    """One browser. `user` is None before the login; `nonce` is new with every login."""

    nonce: str
    user: User | None = None


class Sessions:
    """Makes and reads session cookies and the CSRF tokens that belong to them.

    `secret` signs. Where there is none, the user lines take its place: the same in every process, and as secret.
    A cookie proves its user's password hash: a changed password, or a user who is gone, ends the session.
    """

    def __init__(self, users: Mapping[str, User], secret: str, hours: int) -> None:
        self._users, self._seconds = users, hours * 3600
        lines = "\n".join(f"{user.name}:{user.role}:{user.password_hash}" for user in users.values())
        self._key = hashlib.sha256(f"txn admin\n{secret or lines}".encode()).digest()
        self._signer = URLSafeTimedSerializer(
            self._key, salt="txn session", signer_kwargs={"digest_method": hashlib.sha256}
        )

    def new(self, user: User | None = None) -> Session:
        """A session with a nonce that nobody has seen: a cookie from before the login is worth nothing after it."""
        return Session(secrets.token_urlsafe(18), user)

    def cookie(self, session: Session) -> str:
        """The cookie's value."""
        user = session.user
        return str(self._signer.dumps([session.nonce, user.name if user else "", self._proof(user)]))

    def read(self, cookie: str) -> Session | None:
        """The session of a cookie that we have signed, that is not too old, and whose user is still as he was."""
        try:
            nonce, name, proof = self._signer.loads(cookie, max_age=self._seconds)
        except (BadSignature, ValueError):
            return None
        user = self._users.get(name)
        if name and not user:
            return None
        return Session(nonce, user) if hmac.compare_digest(proof, self._proof(user)) else None

    def csrf(self, session: Session) -> str:
        """The token that every form of this session carries."""
        return self._digest("csrf", session.nonce)

    def csrf_is_right(self, session: Session, token: str) -> bool:
        """Whether a form's token belongs to the session."""
        return hmac.compare_digest(self.csrf(session).encode(), token.encode(errors="replace"))

    def _proof(self, user: User | None) -> str:
        return self._digest("user", f"{user.role}:{user.password_hash}" if user else "")

    def _digest(self, what: str, text: str) -> str:
        return hmac.new(self._key, f"{what}\n{text}".encode(), hashlib.sha256).hexdigest()
