"""The pages of the admin site, each a thin resource. How to add one: the recipe at the top of txn/admin/site.py."""
