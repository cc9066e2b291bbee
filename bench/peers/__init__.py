"""What others do with the same job, on the same server, posting service and core."""
