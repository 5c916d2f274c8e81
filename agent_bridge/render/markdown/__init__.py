"""Markdown as HTML of the Matrix specification and as plain text."""
