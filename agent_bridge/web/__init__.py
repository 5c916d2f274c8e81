"""HTTP pages for machines: health checks."""

from agent_bridge import lean_structlog as _  # noqa: F401
