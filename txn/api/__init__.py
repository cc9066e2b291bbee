"""HTTP: parse, one call, shape the answer."""
