"""Rooms: permissions, power levels, names and the Space. Knows nothing of turns."""
