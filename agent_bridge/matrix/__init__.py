"""The homeserver: what it sends (door, events) and what it is asked (homeserver, rooms). Knows no SQL, no agents."""
