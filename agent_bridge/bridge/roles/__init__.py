"""Roles: the book that counts, the power levels and members of rooms by it, and the moderation of rooms."""
