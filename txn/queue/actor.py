"""The one actor."""

from typing import Any

import dramatiq
from dramatiq import Actor, Broker
from dramatiq.middleware import CurrentMessage

from txn.delivery.blocking_steps import run
from txn.delivery.in_flight import InFlight
from txn.delivery.rules import Rules
from txn.errors import StoreUnavailable
from txn.queue.message import NAME


def declare_actor(broker: Broker, rules: Rules) -> Actor[Any, Any]:
    """The actor `deliver(transaction_id)`. Running it twice, late, or for a finished transaction does nothing.

    It holds its thread until the delivery is over.
    """

    def deliver(transaction_id: str) -> None:
        message = CurrentMessage.get_current_message()
        assert message is not None  # noqa: S101  (an actor runs inside a message)
        run(rules.deliver(transaction_id, message.options["owner"]))

    declare = dramatiq.actor(
        broker=broker,
        actor_name=NAME,
        queue_name=NAME,
        store_results=True,
        throws=(StoreUnavailable,),  # said in one line, without a traceback
    )
    return declare(deliver)


def declare_hand_over(broker: Broker, in_flight: InFlight) -> Actor[Any, Any]:
    """The same actor, of several ids; it hands them to the event loop, where `HandOver` has reserved their places."""

    def deliver(*transaction_ids: str) -> None:
        in_flight.begin(transaction_ids)

    return dramatiq.actor(broker=broker, actor_name=NAME, queue_name=NAME, store_results=True)(deliver)
