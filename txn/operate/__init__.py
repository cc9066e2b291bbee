"""All that operators do: replay, discard, bulk runs, and the journal of it."""
