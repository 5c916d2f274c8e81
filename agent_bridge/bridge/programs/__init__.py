"""Programs that use the HTTP API: their tokens, and the functions that they call."""
