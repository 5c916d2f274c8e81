"""Upstreams: servers that host agents. Speaks their protocols; contains no Matrix and no SQL."""
