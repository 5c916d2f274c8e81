"""The section ``metrics`` of config.yaml."""

from __future__ import annotations

from importlib.util import find_spec

from pydantic import Field, StrictInt, field_validator

from agent_bridge.config.section import Section
from agent_bridge.config.types import Secret

_LARGEST_PORT = 65_535
#: The package of the extra ``metrics``.
_LIBRARY = "prometheus_client"


class MetricsConfig(Section):
    """Metrics for Prometheus at /metrics (docs/metrics.md). Without port and token there are none."""

    hostname: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address on which the bridge listens for scrapes, if port is set. 0.0.0.0 lets other machines in, "
        "without encryption: set token, too.",
        examples=["127.0.0.1"],
    )
    port: StrictInt | None = Field(
        None,
        ge=1,
        le=_LARGEST_PORT,
        description="Port for scrapes. Each process on a machine needs one of its own, also each worker. Metrics need "
        "pip install 'agent-bridge[metrics]'.",
        examples=[29_350],
    )
    token: Secret | None = Field(
        None,
        description="Token of the scraper (Authorization: Bearer TOKEN). env:NAME reads it from the environment. "
        "Without port, /metrics is on the port of appservice; a worker has no such port.",
        examples=["env:METRICS_TOKEN"],
    )

    @field_validator("port", "token")
    @classmethod
    def _can_be_used(cls, value: object) -> object:
        if value is not None and find_spec(_LIBRARY) is None:
            raise ValueError("needs the package prometheus-client: pip install 'agent-bridge[metrics]'")
        return value

    @property
    def enabled(self) -> bool:
        """Whether there are metrics."""
        return self.port is not None or self.token is not None
