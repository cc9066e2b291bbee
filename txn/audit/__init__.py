"""Proves it afterwards: every accepted transaction compared with the posting service's list."""
