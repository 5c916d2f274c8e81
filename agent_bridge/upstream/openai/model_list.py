"""``GET /models``: the agents of a server, in the formats that servers use."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import structlog

from agent_bridge.core.errors import UpstreamProtocolError
from agent_bridge.core.json_pieces import PieceTooLong, load_pieces
from agent_bridge.i18n.catalogue import Text
from agent_bridge.upstream.base import AgentInfo
from agent_bridge.upstream.openai.chat_models import can_chat, is_no_chat_id
from agent_bridge.upstream.openai.model_profile import address_of, description_of, image_of
from agent_bridge.upstream.transport.agent_texts import name_of
from agent_bridge.upstream.transport.choice import is_included, is_named
from agent_bridge.upstream.transport.error_body import failure_in
from agent_bridge.upstream.transport.text import storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agent_bridge.config.upstreams import UpstreamConfig

_log = structlog.stdlib.get_logger(__name__)

PATH = "/models"
#: Bytes of a page: some servers put the pictures of their agents into it.
MAX_BYTES = 16 * 1024**2
#: Bytes of an id: an index of the database has to hold it.
_MAX_ID_BYTES = 255
#: Keys of the list, best first; and the objects inside each other that are searched.
_LIST_KEYS = ("data", "models")
_MAX_DEPTH = 2
#: Keys of the token of the next page, with the parameters that send it back.
_TOKENS = {"nextPageToken": "pageToken", "next_page_token": "page_token", "next_cursor": "cursor"}
#: The parameter of a page with a number; keys of the number of pages, and of the number of entries in each.
NUMBER = "page"
_PAGES, _PAGE_SIZES = ("pages", "total_pages", "page_count"), ("page_size", "per_page", "limit", "size")
_LETTA = "letta"
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
    #: Whether it is, by the entry, a model that answers messages.
    chats: bool = True
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
    #: The ``ETag`` of the response, None without one.
    etag: str | None = None


def parse_page(upstream: str, raw: bytes, *, etag: str | None = None, secrets: Iterable[str] = ()) -> Page:
    """Read one response of *upstream*. Entries without a usable id are left out; the log names ids that are too long.

    Raises:
        UpstreamProtocolError: the response is not a list, or reports a failure, or none of its entries has a usable id.
            Its detail does not contain *secrets*.
    """
    try:
        value = load_pieces(raw)
    except PieceTooLong:
        raise UpstreamProtocolError(Text("list_value_too_long", upstream=upstream)) from None
    except (ValueError, RecursionError):
        if raw.lstrip().startswith(b"<"):
            raise UpstreamProtocolError(Text("list_web_page", upstream=upstream)) from None
        raise UpstreamProtocolError(Text("list_no_json", upstream=upstream)) from None
    if isinstance(value, dict) and (report := failure_in(value)):
        raise UpstreamProtocolError(Text("list_failed", upstream=upstream), detail=report.redacted(secrets))
    entries = _entries(upstream, value)
    models = tuple(model for entry in entries if (model := _model(entry, upstream)))
    if entries and not models:
        raise UpstreamProtocolError(Text("list_no_ids", upstream=upstream))
    return Page(raw, models, _next(value, models) if isinstance(value, dict) else None, etag)


def included_agents(models: Iterable[Model], config: UpstreamConfig) -> tuple[AgentInfo, ...]:
    """Return the agents that *config* includes, in the order of *models*, each id once."""
    agents: dict[str, AgentInfo] = {}
    for model in models:
        if _is_included(model, config) and model.id not in agents:
            names = _ids_are_names(model, config)
            agents[model.id] = AgentInfo(
                model.id,
                model.name,
                id_is_name=names and _LETTA_ID.fullmatch(model.id) is None,
                id_lasts=not names,
                image=address_of(model.image, config.url),
                description=model.description,
            )
    return tuple(agents.values())


def _entries(upstream: str, value: Any) -> Sequence[Any]:
    for _ in range(_MAX_DEPTH):
        key = next((key for key in _LIST_KEYS if isinstance(value, dict) and key in value), None)
        if key is not None:
            # A server written in Go sends null for an empty list.
            value = [] if value[key] is None else value[key]
    if not isinstance(value, list):
        raise UpstreamProtocolError(Text("list_no_list", upstream=upstream))
    if value and all(isinstance(entry, str) for entry in value):
        return [{"id": entry} for entry in value]
    return value


def _model(entry: Any, upstream: str) -> Model | None:
    if not isinstance(entry, dict):
        return None
    model_id = entry.get("id")
    if not isinstance(model_id, str) or not model_id.strip() or storable(model_id) != model_id:
        return None
    if len(model_id.encode()) > _MAX_ID_BYTES:
        _log.warning("an agent is left out: its id is too long", upstream=upstream, id=f"{model_id[:60]}…")
        return None
    texts = (entry[key] for key in _NAME_KEYS if isinstance(entry.get(key), str))
    owner = entry.get("owned_by")
    return Model(
        id=model_id,
        name=name_of(texts),
        owner=owner if isinstance(owner, str) else "",
        chats=can_chat(entry),
        image=image_of(entry),
        description=description_of(entry),
    )


def _next(value: dict[str, Any], models: Sequence[Model]) -> Mapping[str, str] | None:
    links = value.get("links")
    link = links.get("next") if isinstance(links, dict) else None
    if isinstance(link, str) and link:
        # Only the query is used: the key is sent to the configured URL and nowhere else.
        return dict(parse_qsl(link.partition("?")[2].partition("#")[0]))
    for key, parameter in _TOKENS.items():
        if isinstance(token := value.get(key), str) and token:
            return {parameter: token}
    if value.get("has_more") is not True:
        return _next_number(value, len(models))
    last = value.get("last_id")
    if not isinstance(last, str):
        last = models[-1].id if models else ""
    # The lists of OpenAI have an `object` and page by `after`. Those of Anthropic have none and page by `after_id`.
    return {"after" if value.get("object") == "list" else "after_id": last}


def _next_number(value: dict[str, Any], entries: int) -> Mapping[str, str] | None:
    """Return the query of the next page if *value*, which has a number of *entries*, is a page with a number."""
    page, total = value.get("page"), value.get("total")
    pages = next((value[key] for key in _PAGES if isinstance(value.get(key), int)), None)
    if not isinstance(page, int) or not entries:
        return None
    if pages is None and isinstance(total, int):
        size = next((value[key] for key in _PAGE_SIZES if isinstance(value.get(key), int)), 0)
        pages = -(-total // (size or entries))
    return {NUMBER: str(page + 1)} if pages is not None and 0 < page < pages else None


def _is_included(model: Model, config: UpstreamConfig) -> bool:
    chats = model.owner == _LETTA or (model.chats and not is_no_chat_id(model.id))
    return (chats or is_named(model.id, model.name, config)) and is_included(model.id, model.name, config)


def _ids_are_names(model: Model, config: UpstreamConfig) -> bool:
    return config.model_ids == "names" or (config.model_ids == "auto" and model.owner == _LETTA)
