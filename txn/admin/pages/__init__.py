"""The pages of the admin site: each a thin resource and its line in the route table."""
