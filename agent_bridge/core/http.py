"""Two parts of HTTP that requests to the homeserver, to upstreams and to linked servers share. Uses no HTTP library."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from agent_bridge.core.errors import TooLarge

if TYPE_CHECKING:
    from collections.abc import AsyncIterable


async def read_bounded(chunks: AsyncIterable[bytes], limit: int, *, announced: int | None = None) -> bytes:
    """Return the body that arrives as *chunks*, if it has at most *limit* bytes.

    *announced* is the length that the ``Content-Length`` header names, None without that header. Reading ends at the
    first chunk that exceeds the limit.

    Raises:
        TooLarge: the body has more than *limit* bytes.
    """
    if announced is not None and announced > limit:
        raise TooLarge(limit)
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > limit:
            raise TooLarge(limit)
    return bytes(body)


def delay_of(value: Any) -> float | None:
    """Return the delay that a header or a JSON field names as a number, at least 0; None where it names no number."""
    try:
        delay = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if math.isnan(delay) else max(0.0, delay)
