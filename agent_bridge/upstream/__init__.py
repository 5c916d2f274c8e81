"""Agents' servers: who is there, and what they answer. Knows their HTTP, nothing of Matrix or SQL."""
