"""What people and monitors look at. Writes nothing, and nothing on the delivery path imports it."""
