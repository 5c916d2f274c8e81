"""``GET /models``: the agents of a server, in the formats that servers use."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from agent_bridge.core.errors import UpstreamProtocolError
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.base import AgentInfo
from agent_bridge.upstream.openai.model_profile import address_of, description_of, image_of
from agent_bridge.upstream.transport.text import load_json, one_line, storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agent_bridge.config.model import UpstreamConfig

PATH = "/models"
_NAME_KEYS = ("name", "display_name", "id")
#: Letta lists an agent by such an id if its name is empty or not unique.
_LETTA_ID = re.compile(r"agent-(?:[a-z]+-)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Model:
    """One entry of the list."""

    id: str
    #: One line, never empty.
    name: str
    #: ``owned_by``, empty if the entry has none.
    owner: str
    #: Address of its picture, perhaps relative to the upstream's URL, and its description; empty without one.
    image: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """One response."""

    #: The body of the response.
    raw: bytes
    models: tuple[Model, ...]
    #: The query parameters of the next page, None on the last page.
    next: Mapping[str, str] | None


def parse_page(upstream: str, raw: bytes) -> Page:
    """Read one response of *upstream*. Entries without a usable id are left out.

    Raises:
        UpstreamProtocolError: the response is not a list, or none of its entries has a usable id.
    """
    try:
        value = load_json(raw)
    except ValueError:
        if raw.lstrip().startswith(b"<"):
            raise UpstreamProtocolError(Text("list_web_page", upstream=upstream)) from None
        raise UpstreamProtocolError(Text("list_no_json", upstream=upstream)) from None
    entries = _entries(upstream, value)
    models = tuple(model for entry in entries if (model := _model(entry)))
    if entries and not models:
        raise UpstreamProtocolError(Text("list_no_ids", upstream=upstream))
    return Page(raw, models, _next(value, models) if isinstance(value, dict) else None)


def included_agents(models: Iterable[Model], config: UpstreamConfig) -> tuple[AgentInfo, ...]:
    """Return the agents that *config* includes, in the order of *models*, each id once."""
    agents: dict[str, AgentInfo] = {}
    for model in models:
        if _is_included(model, config) and model.id not in agents:
            agents[model.id] = AgentInfo(
                model.id,
                model.name,
                id_is_name=_id_is_name(model, config),
                image=address_of(model.image, config.url),
                description=model.description,
            )
    return tuple(agents.values())


def _entries(upstream: str, value: Any) -> Sequence[Any]:
    if isinstance(value, dict) and "data" in value:
        # A server written in Go sends null for an empty list.
        value = [] if value["data"] is None else value["data"]
    if not isinstance(value, list):
        raise UpstreamProtocolError(Text("list_no_list", upstream=upstream))
    return value


def _model(entry: Any) -> Model | None:
    if not isinstance(entry, dict):
        return None
    model_id = entry.get("id")
    if not isinstance(model_id, str) or not one_line(model_id) or storable(model_id) != model_id:
        return None
    texts = (entry[key] for key in _NAME_KEYS if isinstance(entry.get(key), str))
    owner = entry.get("owned_by")
    return Model(
        id=model_id,
        name=next(name for text in texts if (name := one_line(text))),
        owner=owner if isinstance(owner, str) else "",
        image=image_of(entry),
        description=description_of(entry),
    )


def _next(value: dict[str, Any], models: Sequence[Model]) -> Mapping[str, str] | None:
    links = value.get("links")
    link = links.get("next") if isinstance(links, dict) else None
    if isinstance(link, str) and link:
        # Only the query is used: the key is sent to the configured URL and nowhere else.
        return dict(parse_qsl(link.partition("?")[2].partition("#")[0]))
    if value.get("has_more") is not True:
        return None
    last = value.get("last_id")
    if not isinstance(last, str):
        last = models[-1].id if models else ""
    # The lists of OpenAI have an `object` and page by `after`. Those of Anthropic have none and page by `after_id`.
    return {"after" if value.get("object") == "list" else "after_id": last}


def _is_included(model: Model, config: UpstreamConfig) -> bool:
    def matches(globs: Iterable[str]) -> bool:
        return any(fnmatchcase(text, glob) for glob in globs for text in (model.id, model.name))

    return matches(config.include) and not matches(config.exclude)


def _id_is_name(model: Model, config: UpstreamConfig) -> bool:
    if config.model_ids == "stable" or _LETTA_ID.fullmatch(model.id):
        return False
    return config.model_ids == "names" or model.owner == "letta"
