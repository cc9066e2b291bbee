"""Redis: the record of every transaction, the due index, the wake-up messages, the statistics."""
