"""Limits of the bridge's own process."""

from __future__ import annotations

import resource

#: Descriptors that the bridge asks for: connections to clients, agents and the homeserver share them.
_DESCRIPTORS = 65_536


def set_limits() -> None:
    """Permit as many open files as the system does, and no core dump, which would contain secrets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
