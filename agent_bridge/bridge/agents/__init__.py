"""Agents: discovery, provisioning, presence and the status of upstreams. Knows nothing of turns."""
