"""Upstreams: servers that host agents. Implements their protocols. Contains no Matrix and no SQL."""

from agent_bridge import lean_structlog as _  # noqa: F401
