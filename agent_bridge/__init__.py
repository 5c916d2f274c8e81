"""A Matrix bridge that turns every AI agent into a contact."""

__version__ = "0.2.0"
