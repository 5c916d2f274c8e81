"""The time zones of callers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.errors import HomeserverError
from agent_bridge.core.times.zones import is_zone

if TYPE_CHECKING:
    from agent_bridge.commands.registry import CommandContext


async def zone_of(ctx: CommandContext) -> str:
    """Return the name of the caller's time zone: that of the profile, or the configured one."""
    services = ctx.services
    try:
        zone = await services.homeserver.time_zone(ctx.sender)
    except HomeserverError:
        # The server of another domain may not answer for days.
        if ctx.sender.partition(":")[2] == services.namespace.domain:
            raise
        zone = None
    return zone if zone is not None and is_zone(zone) else services.time_zone.value
