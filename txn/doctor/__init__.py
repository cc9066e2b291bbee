"""What an operator wants to know before going live, and when something is odd: is everything as txn needs it."""
