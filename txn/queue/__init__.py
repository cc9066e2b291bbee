"""Dramatiq: wake-ups that carry an id and nothing else. Losing all of them loses nothing."""
