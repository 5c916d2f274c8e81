"""Agent events as notices, and the answers of the commands about them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agent_bridge.core.agent_events import MOST_TEXT, EventKind
from agent_bridge.core.results.commands import RoomAddress
from agent_bridge.core.results.events import EventAccepted, EventProblem, EventRefused
from agent_bridge.core.results.mirrors import MirrorSet, NoLogChannel
from agent_bridge.render.chats import chat_link
from agent_bridge.render.content import escape, in_backticks, message, shortened, user_link
from agent_bridge.render.relayed import with_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent_bridge.core.agent_events import NewEvent
    from agent_bridge.i18n.catalogue import Texts

#: Characters of the data in the text of an event, and of one value.
_SHOWN, _VALUE = 1_000, 200


def event_message(new: NewEvent, name: str, texts: Texts, *, mark: str) -> dict[str, Any]:
    """Return the notice that shows *new*, which comes from *name*: its own text, or one made of its kind and data.

    The bot posts those of people: their own texts have the name of the person before them.
    """
    content = message(_text(new, name, texts)[:MOST_TEXT], mark=mark, notice=True)
    return with_name(content, new.actor.user_id, name) if new.text and not new.actor.is_agent else content


def mirror_message(new: NewEvent, name: str, texts: Texts, domain: str, *, mark: str) -> dict[str, Any]:
    """Return the notice that shows in a log channel that the agent *name* began or ended a turn."""
    words, data = texts.events, new.data
    facts = []
    if "seconds" in data:
        facts.append(texts.duration(data["seconds"]) if data["seconds"] >= 1 else f"{data['seconds']:.1f} s")
    if "tokens" in data:
        facts.append(texts.count(sum(data["tokens"].values()), words.tokens))
    if data.get("state") == "stopped":
        facts.append(words.stopped)
    room = chat_link(RoomAddress(data["room"], domain), words.room)
    text = words.mirrored[new.kind].format(
        name=escape(name), room=room, facts=", ".join(facts), error=escape(shortened(data.get("error", "")))
    )
    return message(text, mark=mark, notice=True)


def event_renderers(texts: Texts, prefix: str) -> Mapping[type, Callable[[Any], str]]:
    """Return the functions that render results, by the types of the results; *prefix* starts a command in a room."""
    words = texts.events
    return {
        EventAccepted: lambda result: words.accepted.format(kind=in_backticks(result.kind)),
        EventRefused: lambda result: _refused(result, texts),
        NoLogChannel: lambda result: words.no_log.format(channel=escape(result.channel)),
        MirrorSet: lambda result: _mirror(result, texts, prefix),
    }


def _text(new: NewEvent, name: str, texts: Texts) -> str:
    if new.text:
        return new.text
    other = texts.events.own_kind if new.actor.is_agent else texts.events.other_kind
    head = texts.events.kinds.get(new.kind, other)
    parts = [f"{escape(key)}: {_value(value)}" for key, value in new.data.items()]
    text = ", ".join(parts)
    text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    head = head.format(name=user_link(name), kind=in_backticks(new.kind))
    return f"{head}: {text}" if text and new.kind in set(EventKind) else f"{head} {text}".rstrip()


def _value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return escape(text if len(text) <= _VALUE else f"{text[:_VALUE]}…")


def _refused(result: EventRefused, texts: Texts) -> str:
    words = texts.events
    is_kind = result.problem is EventProblem.BAD_KIND
    at = words.place.format(place=in_backticks(shortened(result.place))) if result.place else ""
    place = escape(shortened(result.place)) if is_kind else ""
    return words.problems[result.problem].format(place=place, at=at, most=result.most)


def _mirror(result: MirrorSet, texts: Texts, prefix: str) -> str:
    words, channel = texts.events, escape(result.channel)
    if result.agents is None:
        return words.mirrors_all.format(channel=channel)
    if result.agents:
        return words.mirrors.format(channel=channel, agents=", ".join(f"*{escape(each)}*" for each in result.agents))
    return (words.mirror_ended if result.is_changed else words.mirrors_none).format(channel=channel, prefix=prefix)
