"""What people and monitors look at. Writes nothing to Redis.

No room of the delivery path imports it (model, store, posting, delivery, queue). A worker process does load the few
readers that its bulk runner and its log of outages need (txn/composition/worker.py).
"""
