"""Numbers that txn advises, once: pages, hints, `make run` and the docs say the same (tests/unit/test_advice.py)."""

#: What 1000 a second need: docs/how/performance.md. The threads only hand over; TXN_IN_FLIGHT is what is on its way.
PROCESSES, THREADS = 2, 4
START_WORKERS = f"dramatiq txn.worker --processes {PROCESSES} --threads {THREADS}"
