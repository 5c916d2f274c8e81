"""Reads the messages that a server of Letta keeps. Both of its protocols have them in the same form."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from agent_bridge.core.transcript import ChatMessage
from agent_bridge.upstream.capabilities import PastMessage
from agent_bridge.upstream.transport.json_values import objects, text
from agent_bridge.upstream.transport.letta_messages import plain
from agent_bridge.upstream.transport.text import storable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: The beginning of the ids under which a server keeps the questions of a bridge; the rest is a hash.
_BRIDGE = "6d617472"
#: Words that the server adds to a message for the agent's model.
_ADDED = (("<system-reminder>", "</system-reminder>"), ("<system-alert>", "</system-alert>"))
#: The beginning of a message by which the server asks the agent itself, after the end of a task in the background.
_NOTIFICATION = "<task-notification>"
#: The fields of a message that are read, besides its content.
_FIELDS = ("id", "message_type", "otid", "date")
#: In place of a part of a message that has no text.
_IMAGE = "[image]"
_ROLES = {"user_message": "user", "assistant_message": "assistant"}
_NEVER = datetime.fromtimestamp(0, UTC)
#: Messages of a page.
_PAGE = 100


def otid_of(name: str) -> str:
    """Return the id (``otid``) under which the server keeps the question *name*, a UUID."""
    return _BRIDGE + str(uuid5(NAMESPACE_URL, name))[len(_BRIDGE) :]


def said(message: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the fields of *message* that :func:`past_messages` needs, without the bytes of images; None if of none.

    A history with many results of tools takes little memory then.
    """
    if text(message.get("message_type")) not in _ROLES:
        return None
    return {key: message.get(key) for key in _FIELDS} | {"content": _words(message.get("content"))}


def past_messages(messages: Sequence[Mapping[str, Any]], *, is_cut: bool) -> list[PastMessage]:
    """Return what people and the agent said in *messages*, oldest first.

    The beginning of an answer is left out if *is_cut*: older messages, with the question perhaps, are not among
    *messages*. Messages without words are left out; an image is a word in brackets.
    """
    found: list[PastMessage] = []
    is_bridged, is_known = False, not is_cut
    for message in messages:
        role = _ROLES.get(text(message.get("message_type")))
        if role is None:
            continue
        words = storable(_words(message.get("content")))
        if role == "user":
            is_own = text(message.get("otid")).startswith(_BRIDGE)
            words = _without_additions(words)
            if not is_own and not words:
                # The server spoke to the agent itself.
                continue
            is_bridged, is_known = is_own, True
            if not is_own and words.startswith(_NOTIFICATION):
                continue
        if not is_known or not words.strip():
            continue
        ref = text(message.get("id"))
        if found and found[-1].ref == ref and found[-1].message.role == role:
            words = found.pop().message.content + words
        found.append(PastMessage(ref, ChatMessage(role, words), _time(message.get("date")), is_bridged))
    return found


def pages(messages: Sequence[PastMessage]) -> Iterator[Sequence[PastMessage]]:
    """Yield *messages* in pages."""
    for start in range(0, len(messages), _PAGE):
        yield messages[start : start + _PAGE]


def time_of(value: Any) -> datetime | None:
    """Return the time that *value* names in ISO 8601, in UTC unless it names a zone; None if it is no time."""
    try:
        found = datetime.fromisoformat(text(value))
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _words(content: Any) -> str:
    """Return the text of a message's content, in which images are named."""
    images = sum(part.get("type") == "image" for part in objects(content))
    return "\n\n".join(filter(None, [plain(content), *([_IMAGE] * images)]))


def _time(value: Any) -> datetime:
    return time_of(value) or _NEVER


def _without_additions(words: str) -> str:
    for opening, closing in _ADDED:
        words = _without(words, opening, closing)
    return words.strip()


def _without(words: str, opening: str, closing: str) -> str:
    """Return *words* without the blocks from *opening* to *closing*."""
    kept: list[str] = []
    at = 0
    while (start := words.find(opening, at)) >= 0 and (end := words.find(closing, start)) >= 0:
        kept.append(words[at:start])
        at = end + len(closing)
    return "".join([*kept, words[at:]])
