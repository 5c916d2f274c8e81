"""The clients of a process: the homeserver, its media repository, the web, and the upstreams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp

from agent_bridge.config.clients import client_upstreams
from agent_bridge.core.observer import UNOBSERVED
from agent_bridge.files.pictures import PictureReader
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.media import Media
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.store.client_agents import ClientAgents
from agent_bridge.store.upstream_conversations import UpstreamConversations
from agent_bridge.upstream.client.upstream import ClientUpstream
from agent_bridge.upstream.download.fetch import Fetcher
from agent_bridge.upstream.observed import ObservedUpstream
from agent_bridge.upstream.registry import make_upstream

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from agent_bridge.config.model import Config
    from agent_bridge.config.upstreams import UpstreamConfig
    from agent_bridge.core.ids import Namespace
    from agent_bridge.core.keys import Keys
    from agent_bridge.core.observer import Observer
    from agent_bridge.store.postgres.database import Database
    from agent_bridge.upstream.base import Upstream


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """The servers that the bridge sends requests to."""

    homeserver: Homeserver
    media: Media
    fetcher: Fetcher
    pictures: PictureReader
    upstreams: tuple[tuple[Upstream, UpstreamConfig], ...]
    #: The keys for encrypted rooms; None: the bridge has none.
    keys: Keys | None


async def open_clients(
    config: Config,
    namespace: Namespace,
    database: Database,
    read_timeout: float,
    stack: AsyncExitStack,
    observer: Observer = UNOBSERVED,
) -> Clients:
    """Open the clients; *stack* closes them, and *observer* hears of their requests.

    A response of the homeserver may pause for *read_timeout* seconds.
    """
    matrix = await stack.enter_async_context(homeserver_session(read_timeout=read_timeout, observer=observer))
    # An answer holds a connection for as long as it takes.
    session = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
    upstreams: tuple[tuple[Upstream, UpstreamConfig], ...] = tuple(
        (make_upstream(each, session, UpstreamConversations(database, each.name)), each) for each in config.upstreams
    )
    if observer.measures:
        upstreams = tuple((ObservedUpstream(upstream, observer), each) for upstream, each in upstreams)
    agents = ClientAgents(database)
    upstreams += tuple(
        (ClientUpstream(each, agents, lives=config.ephemeral_after), each) for each in client_upstreams(config)
    )
    homeserver, media, keys = await _open_homeserver(config, namespace, database, matrix, stack)
    for upstream, _ in upstreams:
        stack.push_async_callback(upstream.aclose)
    return Clients(
        homeserver=homeserver,
        media=media,
        fetcher=await stack.enter_async_context(Fetcher()),
        pictures=PictureReader(),
        upstreams=upstreams,
        keys=keys,
    )


async def _open_homeserver(
    config: Config, namespace: Namespace, database: Database, session: aiohttp.ClientSession, stack: AsyncExitStack
) -> tuple[Homeserver, Media, Keys | None]:
    """Return the homeserver and its media repository, and the keys for its encrypted rooms if encryption is allowed."""
    address, token = config.homeserver.address, config.appservice.as_token.get_secret_value()
    plain = Homeserver(address, token, namespace, session)
    if not config.encryption.allow:
        return plain, Media(address, token, namespace, session), None
    # It needs the packages of an extra.
    from agent_bridge.encryption.homeserver import EncryptedHomeserver
    from agent_bridge.encryption.media import EncryptedMedia
    from agent_bridge.encryption.vault import Vault

    secret = config.encryption.secret
    vault = Vault(database.uri, plain, token if secret is None else secret.get_secret_value())
    await stack.enter_async_context(vault)
    homeserver = EncryptedHomeserver(
        address,
        token,
        namespace,
        session,
        vault,
        encrypts_new_rooms=config.encryption.encrypts_new_rooms,
        requires_encryption=config.encryption.require,
    )
    return homeserver, EncryptedMedia(address, token, namespace, session, vault), vault
