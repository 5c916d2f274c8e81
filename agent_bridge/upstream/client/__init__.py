"""Agents that connect themselves."""
