"""Who may come in: users, passwords, sessions, limits, and the guard in front of every page."""
