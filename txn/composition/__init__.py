"""Puts the parts together: the only room that knows all of them, and that opens connections. One module a process."""
