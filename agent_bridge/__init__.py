"""A Matrix bridge that turns every AI agent into a contact."""

from agent_bridge.core.lean_imports import without

# structlog imports these if they are installed, at four times its own cost; the bridge uses nothing of them in logs.
with without("rich", "twisted", "better_exceptions"):
    import structlog as _  # noqa: F401

__version__ = "0.2.0"
