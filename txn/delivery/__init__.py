"""One delivery, and the loops that see to it that none is forgotten."""
