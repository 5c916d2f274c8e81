"""Upstreams: servers that host agents. Implements their protocols. Contains no Matrix and no SQL."""
