"""``agent-bridge doctor``: where the metrics are, and whether they can be scraped."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

if TYPE_CHECKING:
    from agent_bridge.config.model import Config

_PATIENCE = aiohttp.ClientTimeout(total=5)
#: A metric that each process shows.
_OURS = "agent_bridge_build_info"


async def look_at_metrics(config: Config, session: aiohttp.ClientSession) -> tuple[str, str]:
    """Return the remedy of a fault (empty: there is none), and the state of the metrics in words."""
    metrics = config.metrics
    listener, keys = (config.appservice, "appservice") if metrics.port is None else (metrics, "metrics")
    host, port = listener.hostname, listener.port or 0
    try:
        url = URL.build(scheme="http", host=host, port=port, path="/metrics")
        await asyncio.get_running_loop().getaddrinfo(host, port)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return f"correct {keys}.hostname", f"{host} is no address of this machine: {reason}"
    headers = {} if metrics.token is None else {"Authorization": f"Bearer {metrics.token.get_secret_value()}"}
    try:
        async with session.get(url, headers=headers, timeout=_PATIENCE, allow_redirects=False) as response:
            is_ours = response.status == HTTPStatus.OK and _OURS in await response.text()
            status = response.status
    except (aiohttp.ClientConnectorError, TimeoutError):
        return "", f"they will be at {url} while the bridge runs"
    except (aiohttp.ClientError, ValueError) as error:
        return f"another program uses the port: change {keys}.port", f"{url} has no metrics ({type(error).__name__})"
    if is_ours:
        return "", f"{url} shows them"
    remedy = f"restart the bridge, if {keys}.port is its own; else change the port"
    return remedy, f"{url} answers with HTTP {status}, and shows no metrics of agent_bridge to this configuration"
