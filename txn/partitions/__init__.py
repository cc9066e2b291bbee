"""Transactions divided into partitions, by a hash of their ids (`TXN_PARTITIONS`).

Each partition is a whole txn of its own, with all its keys in one cluster slot: its scripts are those of one Redis.
What is here only finds the partition of an id, or asks all of them and puts their answers together. Without partitions,
none of it is used.
"""
