"""A posting service that fails in every way the original does: `python -m ops.mock_posting`.

Data port: the original's endpoints over a table whose ids are not unique. Control port: faults, scripts, statistics.
"""
