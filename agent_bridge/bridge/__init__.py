"""The verbs: intake, lanes, relay, discovery, provisioner. Each acts on records from outside."""

from agent_bridge import lean_structlog as _  # noqa: F401
