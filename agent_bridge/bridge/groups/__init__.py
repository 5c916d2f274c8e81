"""Rooms of several agents."""
