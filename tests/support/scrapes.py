"""Scrapes of the metrics of a bridge."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

if TYPE_CHECKING:
    from prometheus_client.samples import Sample

OPENMETRICS = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.3"


@dataclass(frozen=True)
class Scrape:
    """A response, as a scraper reads it."""

    status: int
    content_type: str
    text: str
    samples: dict[str, list[Sample]] = field(default_factory=lambda: defaultdict(list))

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of the series *name* that have *labels*; without the prefix of all names."""
        found = self.samples[f"agent_bridge_{name}"]
        return sum(each.value for each in found if labels.items() <= each.labels.items())

    def labels(self, name: str, label: str) -> set[str]:
        """Return the values of *label* of the series *name*."""
        return {each.labels[label] for each in self.samples[f"agent_bridge_{name}"]}


async def scrape(url: str, token: str | None = None, accept: str = "") -> Scrape:
    """Return the metrics at *url*, read by the parser of their format. A library's Accept header has `*/*`."""
    headers = {"Accept": accept} | ({} if token is None else {"Authorization": f"Bearer {token}"})
    async with aiohttp.request("GET", f"{url}/metrics", headers=headers) as response:
        found = Scrape(response.status, response.headers["Content-Type"], await response.text())
    if found.status == 200:
        parse = parse_openmetrics if found.content_type.startswith("application/openmetrics-text") else parse_text
        for family in parse(found.text):
            for sample in family.samples:
                found.samples[sample.name].append(sample)
    return found
