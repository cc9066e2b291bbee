"""The wake-up message, encoded once: scripts in Redis only put the id and the time in."""

from dramatiq import Message

#: The one queue and the one actor.
NAME = "deliver"

_NOW = 1_000_000_000_001


def message_template() -> str:
    """A message in Dramatiq's encoding with @ID@, @MESSAGE@ and @NOW@ where a script puts the transaction's id, the
    message's own id in Redis, and the time in milliseconds."""
    message: Message[None] = Message(
        queue_name=NAME,
        actor_name=NAME,
        args=("@ID@",),
        kwargs={},
        options={"redis_message_id": "@MESSAGE@"},
        message_id="@ID@",
        message_timestamp=_NOW,
    )
    return message.encode().decode().replace(str(_NOW), "@NOW@")
