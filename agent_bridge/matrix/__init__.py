"""The homeserver: the endpoint for its events, and clients for its APIs. This package knows no SQL and no agents."""
