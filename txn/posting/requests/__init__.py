"""The second transport, on requests, with all that only it needs."""
