"""Numbers that txn advises, once: pages, hints, `make run` and the docs say the same (tests/unit/test_advice.py)."""

#: In flight at most, as many as 1000 a second need at a posting service of 100 ms: docs/how/performance.md
PROCESSES, THREADS = 2, 192
START_WORKERS = f"dramatiq txn.worker --processes {PROCESSES} --threads {THREADS}"
