"""txn delivers transactions to an unreliable posting service exactly once."""

__version__ = "0.2.0"
