"""The admin site: pages for operators. The delivery path knows nothing of it."""
