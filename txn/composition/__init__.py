"""Puts the parts together: the only room that knows all of them. One module a process.

It opens all connections but those that only `txn audit` and `txn doctor` need.
"""
