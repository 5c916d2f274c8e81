"""Answers to ``GET /models``: the OpenAI API's list, in the shapes that servers give it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from agent_bridge.core.errors import UpstreamProtocolError
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.base import AgentInfo
from agent_bridge.upstream.transport.text import load_json, one_line, storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agent_bridge.config.model import UpstreamConfig

_NAME_KEYS = ("name", "display_name", "id")
#: Letta lists an agent by this id where its name is empty or not unique.
_LETTA_ID = re.compile(r"agent-(?:[a-z]+-)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the list."""

    id: str
    #: One line, never empty.
    name: str
    #: ``owned_by``, empty where there is none.
    owner: str


@dataclass(frozen=True, slots=True)
class Page:
    """One answer."""

    #: The answer's body.
    raw: bytes
    items: tuple[Item, ...]
    #: Query parameters that bring the next page; None on the last one.
    next: Mapping[str, str] | None


def parse_page(who: str, raw: bytes) -> Page:
    """Read one answer of the upstream *who*. Entries that make no sense are left out.

    Raises:
        UpstreamNonsense: the answer is not a list, or has entries of which none makes sense.
    """
    try:
        value = load_json(raw)
    except ValueError:
        if raw.lstrip().startswith(b"<"):
            raise UpstreamProtocolError(Text("list_web_page", who=who)) from None
        raise UpstreamProtocolError(Text("list_no_json", who=who)) from None
    entries = _entries(who, value)
    items = tuple(item for entry in entries if (item := _item(entry)))
    if entries and not items:
        raise UpstreamProtocolError(Text("list_no_ids", who=who))
    return Page(raw, items, _next(value, items) if isinstance(value, dict) else None)


def listed(items: Iterable[Item], config: UpstreamConfig) -> tuple[AgentInfo, ...]:
    """Return the agents among *items*, in their order: those that *config* includes, each id once."""
    agents: dict[str, AgentInfo] = {}
    for item in items:
        if _wanted(item, config) and item.id not in agents:
            agents[item.id] = AgentInfo(item.id, item.name, id_is_name=_named(item, config))
    return tuple(agents.values())


def _entries(who: str, value: Any) -> Sequence[Any]:
    if isinstance(value, dict) and "data" in value:
        # An empty list of a server written in Go is null.
        value = [] if value["data"] is None else value["data"]
    if not isinstance(value, list):
        raise UpstreamProtocolError(Text("list_no_list", who=who))
    return value


def _item(entry: Any) -> Item | None:
    if not isinstance(entry, dict):
        return None
    model = entry.get("id")
    if not isinstance(model, str) or not one_line(model) or storable(model) != model:
        return None
    texts = (entry[key] for key in _NAME_KEYS if isinstance(entry.get(key), str))
    owner = entry.get("owned_by")
    return Item(
        id=model,
        name=next(name for text in texts if (name := one_line(text))),
        owner=owner if isinstance(owner, str) else "",
    )


def _next(value: dict[str, Any], items: Sequence[Item]) -> Mapping[str, str] | None:
    links = value.get("links")
    link = links.get("next") if isinstance(links, dict) else None
    if isinstance(link, str) and link:
        # Only the query is taken: the key goes nowhere but to the configured url.
        return dict(parse_qsl(link.partition("?")[2].partition("#")[0]))
    if value.get("has_more") is not True:
        return None
    last = value.get("last_id")
    if not isinstance(last, str):
        last = items[-1].id if items else ""
    # OpenAI's lists say what they are and page by `after`, Anthropic's do not and page by `after_id`.
    return {"after" if value.get("object") == "list" else "after_id": last}


def _wanted(item: Item, config: UpstreamConfig) -> bool:
    def matches(globs: Iterable[str]) -> bool:
        return any(fnmatchcase(text, glob) for glob in globs for text in (item.id, item.name))

    return matches(config.include) and not matches(config.exclude)


def _named(item: Item, config: UpstreamConfig) -> bool:
    if config.model_ids == "stable" or _LETTA_ID.fullmatch(item.id):
        return False
    return config.model_ids == "names" or item.owner == "letta"
