"""Commands to the bridge bot: a registry of functions that return records, and the handler that answers in a room."""

from agent_bridge import lean_structlog as _  # noqa: F401
