"""Facts about the homeserver that the operator should know: its software, and the service that has its accounts."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from agent_bridge.core.errors import HomeserverError, HomeserverRefused, HomeserverUnavailable
from agent_bridge.core.lean_imports import in_place_of, without
from agent_bridge.i18n.catalogue import Text
from agent_bridge.matrix.requests import field

with without("prometheus_client"), in_place_of("mautrix.types", IdentityKey=str, SessionID=str):
    from mautrix.api import Method, Path, SynapseAdminPath
    from mautrix.api import PathBuilder as Paths

if TYPE_CHECKING:
    from agent_bridge.matrix.client import Homeserver

#: Names and versions of other programs have no more characters here.
_LONGEST = 60
#: Seconds for a fact, for which the homeserver may have to ask another service.
_PATIENCE = 10.0


async def software(homeserver: Homeserver, *, patience: float = _PATIENCE) -> str:
    """Return the name and version of the homeserver, such as ``Synapse 1.163.2``.

    It is empty if the homeserver does not tell within *patience* seconds.
    """
    try:
        async with asyncio.timeout(patience):
            return await _software(homeserver)
    except TimeoutError:
        return ""


async def _software(homeserver: Homeserver) -> str:
    try:
        answer = await homeserver.request(Method.GET, Paths("/_matrix/federation").v1.version)
        server = answer.get("server")
        if isinstance(server, dict):
            return f"{_short(server.get('name'))} {_short(server.get('version'))}".strip()
    except HomeserverError:
        # The listener for clients has no federation.
        pass
    try:
        answer = await homeserver.request(Method.GET, SynapseAdminPath.v1.server_version)
    except HomeserverError:
        return ""
    return f"Synapse {_short(answer.get('server_version'))}".strip()


def _short(value: Any) -> str:
    """Return the version without the name of its build."""
    return value.partition(" (")[0][:_LONGEST] if isinstance(value, str) else ""


async def auth_service(homeserver: Homeserver, *, patience: float = _PATIENCE) -> str | None:
    """Return the issuer of the service that has the accounts, as Matrix Authentication Service does; None without one.

    Matrix spec, "OAuth 2.0 API" (``GET /_matrix/client/v1/auth_metadata``).

    Raises:
        HomeserverUnavailable: the homeserver does not tell within *patience* seconds, perhaps because the service does
            not answer.
    """
    try:
        async with asyncio.timeout(patience):
            return await _auth_service(homeserver)
    except TimeoutError:
        raise HomeserverUnavailable(Text("homeserver_away", said=f"no response within {patience:g} s")) from None


async def _auth_service(homeserver: Homeserver) -> str | None:
    for path in (Path.v1.auth_metadata, Path.unstable["org.matrix.msc2965"].auth_metadata):
        try:
            return field(await homeserver.request(Method.GET, path), "issuer", str)[: _LONGEST * 4]
        except HomeserverRefused:
            continue
        except HomeserverUnavailable as error:
            # Dendrite, and proxies that pass on some paths alone, answer without the JSON of an error.
            if error.status != HTTPStatus.NOT_FOUND:
                raise
    return None
