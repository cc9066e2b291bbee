"""Callbacks: telling clients, at a URL of theirs, how their transactions have ended."""
