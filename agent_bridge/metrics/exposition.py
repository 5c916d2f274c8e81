"""The texts of a scrape: the format of Prometheus, and OpenMetrics."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The media type of each format, with its parameters.
PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_QUALITY = re.compile(r"[01](\.[0-9]{0,3})?")


def wants_openmetrics(accept: str) -> bool:
    """Tell whether the header *accept* prefers OpenMetrics (RFC 9110, section 12.5.1). Nonsense in it counts nothing.

    Versions are not compared: of the library's own negotiation, a version that is no number makes an error.
    """
    qualities = dict(_qualities(accept))
    wanted = qualities.get("application/openmetrics-text", 0.0)
    return wanted > 0 and wanted >= qualities.get("text/plain", 0.0)


def exposition(registry: CollectorRegistry, *, as_openmetrics: bool) -> bytes:
    """Return the text of all metrics of *registry*."""
    if as_openmetrics:
        # The library lacks the types of this function.
        text: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
        return text
    return generate_latest(registry)


def _qualities(accept: str) -> Iterator[tuple[str, float]]:
    """Yield the media types of *accept* with their qualities; of a type that is named twice, the best one is last."""
    found: dict[str, float] = {}
    for element in accept.split(","):
        media, *parameters = (part.strip().lower() for part in element.split(";"))
        given = [value.removeprefix("q=") for value in parameters if value.startswith("q=")]
        quality = float(given[0]) if given and _QUALITY.fullmatch(given[0]) else 0.0 if given else 1.0
        found[media] = max(quality, found.get(media, 0.0))
    yield from found.items()
