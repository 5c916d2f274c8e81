"""The news about keys in a transaction (MSC2409 for messages to devices, MSC3202 for devices and one-time keys)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.core.json_pieces import load_pieces
from agent_bridge.core.keys import KeyNews, KeyNewsKind
from agent_bridge.matrix.event_streams import is_of_stream
from agent_bridge.matrix.events import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: The names of the fields after and before they were stable.
_TO_DEVICE = ("to_device", "de.sorunome.msc2409.to_device")
_LISTS = ("device_lists", "org.matrix.msc3202.device_lists")
_COUNTS = ("device_one_time_keys_count", "org.matrix.msc3202.device_one_time_keys_count")
_FALLBACK = ("device_unused_fallback_key_types", "org.matrix.msc3202.device_unused_fallback_key_types")
_ALGORITHM = "signed_curve25519"
#: One-time keys that the homeserver has of a device, below which others are uploaded.
_FEW = 25


def key_news(raw: bytes) -> list[KeyNews]:
    """Return the news of the transaction *raw* that are valid; none if it is no JSON."""
    if not any(name.encode() in raw for name in (*_TO_DEVICE, *_LISTS, *_COUNTS)):
        return []
    try:
        body = load_pieces(raw)
    except (ValueError, RecursionError):
        return []
    if not isinstance(body, dict):
        return []
    return [*_messages(body), *_changes(body), *_used_up(body)]


def may_have_keys(news: KeyNews) -> bool:
    """Tell whether *news* concerns the keys of the bridge.

    Other messages to devices are verifications, and requests for keys: nobody answers them, as each device gets those
    that it needs.
    """
    return news.kind is not KeyNewsKind.TO_DEVICE or news.content.get("type") == "m.room.encrypted"


def _messages(body: Mapping[str, Any]) -> Iterator[KeyNews]:
    found = _first(body, _TO_DEVICE)
    for message in found if isinstance(found, list) else ():
        user = message.get("to_user_id") if isinstance(message, dict) else None
        if isinstance(user, str) and not is_of_stream(message):
            yield KeyNews(user, KeyNewsKind.TO_DEVICE, message, clean(str(message.get("sender", ""))))


def _changes(body: Mapping[str, Any]) -> Iterator[KeyNews]:
    found = _first(body, _LISTS)
    changed = found.get("changed") if isinstance(found, dict) else None
    if isinstance(changed, list) and (users := [each for each in changed if isinstance(each, str)]):
        yield KeyNews("", KeyNewsKind.CHANGED, {"changed": users, "left": []})


def _used_up(body: Mapping[str, Any]) -> Iterator[KeyNews]:
    counts, fallbacks = _first(body, _COUNTS), _first(body, _FALLBACK)
    for user, devices in counts.items() if isinstance(counts, dict) else ():
        for device, keys in devices.items() if isinstance(devices, dict) else ():
            count = keys.get(_ALGORITHM, 0) if isinstance(keys, dict) else 0
            unused = fallbacks.get(user, {}).get(device) if isinstance(fallbacks, dict) else None
            has_fallback = not isinstance(unused, list) or _ALGORITHM in unused
            if isinstance(count, int) and (count < _FEW or not has_fallback):
                yield KeyNews(user, KeyNewsKind.KEYS, {"device": device, "count": count, "fallback": has_fallback})


def _first(body: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((body[name] for name in names if name in body), None)
