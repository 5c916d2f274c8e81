"""Commands to the bridge bot: a registry of functions that return records, and the handler that answers in a room."""
