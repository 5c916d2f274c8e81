"""Agent cards: where they are, and what they tell about an agent."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import aiohttp

from agent_bridge.config.types import is_web_address
from agent_bridge.core.errors import AgentGone, UpstreamProtocolError, UpstreamRefused
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.a2a.requests import DIALECTS, Dialect, dialect_of
from agent_bridge.upstream.base import UNCHANGED, AgentInfo
from agent_bridge.upstream.transport.agent_texts import description_of, name_of
from agent_bridge.upstream.transport.choice import is_included
from agent_bridge.upstream.transport.client import UpstreamClient
from agent_bridge.upstream.transport.json_values import mapping, objects, text
from agent_bridge.upstream.transport.text import load_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agent_bridge.config.upstreams import UpstreamConfig
    from agent_bridge.upstream.base import Unchanged

#: The place of the card of a server (RFC 8615).
WELL_KNOWN = "/.well-known/agent-card.json"
_JSON = ".json"
#: Seconds for a card, and bytes of it.
_TIMEOUT, _MAX_CARD = 30.0, 1024 * 1024
#: Seconds for which a card counts as new for the list of agents, and for a question.
_NEW, _FRESH = 15.0, 300.0
_BINDING = "JSONRPC"
#: A name of a header, of a query parameter or of a cookie; headers that belong to the request itself.
_KEY_NAME = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_OWN_HEADERS = frozenset({"host", "content-type", "content-length", "transfer-encoding", "connection", "a2a-version"})


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """The place of the API key in a request, other than the header ``Authorization``."""

    kind: Literal["header", "query", "cookie"]
    name: str


@dataclass(frozen=True, slots=True)
class Card:
    """An agent as its card tells."""

    info: AgentInfo
    #: The address of its JSON-RPC endpoint.
    url: str
    dialect: Dialect
    #: To be sent back with each request; empty without one.
    tenant: str = ""
    #: Whether the agent streams its answers.
    streams: bool = False
    key: KeyPlace | None = None


def place_of(url: str, card: str) -> str:
    """Return the address of the card at the place *card*, a URL or a path below *url*; empty: that of *url*."""
    found = card if "://" in card else f"{url.rstrip('/')}/{card}".rstrip("/")
    return found if found.lower().endswith(_JSON) else found + WELL_KNOWN


class Cards:
    """The cards of the agents of *config*. *clock* returns seconds, as :func:`time.monotonic` does."""

    def __init__(
        self, config: UpstreamConfig, session: aiohttp.ClientSession, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._session = session
        self._clock = clock
        places = config.cards or ("",)
        self._places = {each or config.name: place_of(config.url, each) for each in places}
        self._timeout = aiohttp.ClientTimeout(total=_TIMEOUT, connect=config.connect_timeout)
        #: The cards, and when they were read.
        self._cards: dict[str, tuple[Card, float]] = {}
        self._listed: tuple[AgentInfo, ...] | None = None

    async def list(self) -> Sequence[AgentInfo] | Literal[Unchanged.UNCHANGED]:
        """See :meth:`agent_bridge.upstream.base.Upstream.agents`. A card that was read lately is not read again."""
        cards = [await self.find(model, fresh=_NEW) for model in self._places]
        infos = (each.info for each in cards)
        agents = tuple(each for each in infos if is_included(each.model, each.name, self._config))
        if agents == self._listed:
            return UNCHANGED
        self._listed = agents
        return agents

    async def find(self, model: str, *, fresh: float = _FRESH) -> Card:
        """Return the card of the agent *model*, which was read within the last *fresh* seconds.

        Raises:
            AgentGone: the configuration has no such agent.
            UpstreamError: the card cannot be read, or the bridge cannot speak to its agent.
        """
        if model not in self._places:
            raise AgentGone(Text("agent_gone_named", upstream=self._config.name, agent=model))
        known = self._cards.get(model)
        if known is not None and self._clock() - known[1] < fresh:
            return known[0]
        card = await self._read(model)
        self._cards[model] = (card, self._clock())
        return card

    def forget(self, model: str) -> None:
        """Have the card of *model* read again: the agent does not behave as it tells."""
        self._cards.pop(model, None)

    async def _read(self, model: str) -> Card:
        place, upstream = self._places[model], self._config.name
        client = UpstreamClient(self._config.model_copy(update={"url": place}), self._session, idempotent=True)
        try:
            async with client.open("GET", "", self._timeout) as body:
                raw = await body.read_all(_MAX_CARD)
        except UpstreamRefused as error:
            if error.status not in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
                raise
            raise UpstreamRefused(Text("list_no_card", upstream=upstream, status=int(error.status))) from None
        try:
            value = mapping(load_json(raw))
        except ValueError:
            value = {}
        if not text(value.get("name")).strip() or not _interfaces(value):
            raise UpstreamProtocolError(Text("list_no_card", upstream=upstream, status=int(HTTPStatus.OK)))
        return self._card(model, place, value)

    def _card(self, model: str, place: str, value: Mapping[str, Any]) -> Card:
        dialect, interface = self._interface(value)
        url = text(interface.get("url"))
        self._check_address(place, url)
        icon = text(value.get("iconUrl"))
        info = AgentInfo(
            model,
            name_of((text(value.get("name")), model)),
            image=icon if is_web_address(icon) else "",
            description=description_of([text(value.get("description"))]),
        )
        streams = mapping(value.get("capabilities")).get("streaming") is True
        return Card(info, url, dialect, text(interface.get("tenant")), streams, _key_place(value))

    def _interface(self, value: Mapping[str, Any]) -> tuple[Dialect, Mapping[str, Any]]:
        """Return the best interface of a card that the bridge can use."""
        found = [
            (dialect, each)
            for each in _interfaces(value)
            if text(each.get("protocolBinding")).upper() == _BINDING
            and (dialect := dialect_of(text(each.get("protocolVersion")))) is not None
        ]
        if not found:
            raise UpstreamRefused(Text("a2a_no_interface", upstream=self._config.name))
        return min(found, key=lambda each: DIALECTS.index(each[0]))

    def _check_address(self, place: str, url: str) -> None:
        """Refuse an address that the card must not name: the bridge sends the key there.

        Raises:
            UpstreamRefused: it is on another host, or less safe than the card.
        """
        host = (urlsplit(url).hostname or "").lower() if is_web_address(url) else ""
        hosts = {(urlsplit(place).hostname or "").lower(), *map(str.lower, self._config.trusted_hosts)}
        is_unsafe = place.lower().startswith("https:") and not url.lower().startswith("https:")
        if not host or host not in hosts or is_unsafe:
            raise UpstreamRefused(Text("a2a_other_host", upstream=self._config.name, host=host or "?"))


def _interfaces(value: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the interfaces of a card, in the form of version 1.0."""
    if found := objects(value.get("supportedInterfaces")):
        return found
    version = text(value.get("protocolVersion")) or DIALECTS[-1].version
    own = [{"url": value.get("url"), "transport": value.get("preferredTransport") or _BINDING}]
    others = [each for each in [*own, *objects(value.get("additionalInterfaces"))] if text(each.get("url"))]
    return [
        {"url": each["url"], "protocolBinding": each.get("transport"), "protocolVersion": version} for each in others
    ]


def _key_place(value: Mapping[str, Any]) -> KeyPlace | None:
    """Return the place of the API key that a card demands; None: it is a bearer token, or there is none."""
    schemes = mapping(value.get("securitySchemes"))
    demanded = [
        name
        for each in [*objects(value.get("securityRequirements")), *objects(value.get("security"))]
        for name in mapping(each.get("schemes")) or each
    ]
    for name in demanded:
        scheme = mapping(schemes.get(name))
        new = mapping(scheme.get("apiKeySecurityScheme"))
        if not new and scheme.get("type") != "apiKey":
            return None
        kind = text(new.get("location")) or text(scheme.get("in"))
        place = text(new.get("name")) or text(scheme.get("name"))
        if _KEY_NAME.fullmatch(place) and place.lower() not in _OWN_HEADERS:
            match kind:
                case "header" | "query" | "cookie":
                    return KeyPlace(kind, place)
    return None
