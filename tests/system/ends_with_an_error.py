"""A worker that logs an error in its last moment, right before what is to be sent is sent."""

import logging

from dramatiq import Broker, Middleware, Worker

from tests.system.patient_worker import broker
from txn.queue.middleware import SendReports

__all__ = ["broker"]


class LastWords(Middleware):
    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        logging.getLogger("txn").error("the last words")


broker.add_middleware(LastWords(), before=SendReports)
