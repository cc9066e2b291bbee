"""How the last audit of everything has ended, for the overview: an audit is a command that somebody runs somewhere."""

from dataclasses import dataclass

from txn.store.database import OTHER_TYPE, Database


@dataclass(frozen=True, slots=True)
class LastAudit:
    """`exit_code`: 0, all is as promised; 1, it is not; 2, it could not be told. `ended_ms`: on the auditor's clock."""

    ended_ms: int
    exit_code: int
    accepted: int
    conclusion: str


class LastAudits:
    """One is kept: the last that ended. Every method raises StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, audit: LastAudit) -> None:
        """In place of the one before."""
        said = {"ended": audit.ended_ms, "exit_code": audit.exit_code, "accepted": audit.accepted}
        mapping: dict[str, int | str] = {**said, "conclusion": audit.conclusion}
        name = self._database.keys.audit
        self._database.call(lambda client: client.hset(name, mapping=mapping))  # type: ignore[arg-type]

    def read(self) -> LastAudit | None:
        """None: there was none, or none that this version can read."""
        name = self._database.keys.audit
        [found] = self._database.pipeline(lambda pipeline: pipeline.hgetall(name), other_types=True)
        if found is OTHER_TYPE:
            return None
        said = {field.decode(): value.decode(errors="replace") for field, value in found.items()}
        try:
            ended_ms, exit_code, accepted = (int(said[field]) for field in ("ended", "exit_code", "accepted"))
            return LastAudit(ended_ms, exit_code, accepted, said["conclusion"])
        except (KeyError, ValueError):
            return None
