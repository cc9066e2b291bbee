"""A worker that logs an error in its last moment, when all of its other parts have ended."""

import logging

from dramatiq import Broker, Middleware, Worker
from dramatiq.middleware import CurrentMessage

from tests.system.patient_worker import broker

__all__ = ["broker"]


class LastWords(Middleware):
    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        logging.getLogger("txn").error("the last words")


broker.add_middleware(LastWords(), before=CurrentMessage)
