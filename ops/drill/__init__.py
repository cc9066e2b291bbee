"""`python -m ops.drill`: the real processes under load, struck by everything that can happen, and then audited."""
