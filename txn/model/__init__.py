"""The vocabulary of a transaction: what comes in, what it is called on the way, and what clients see."""
