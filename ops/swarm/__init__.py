"""Users on locust, and the verdict on what they were promised. `__main__` starts the system they are let loose on."""
