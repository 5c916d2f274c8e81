"""The words and files of an event, whatever its type: the content of an event may be anything."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Any

from agent_bridge.core.ids import SPOKEN
from agent_bridge.core.payloads import MediaKind, MessagePayload
from agent_bridge.matrix.attachments import attachment_of
from agent_bridge.matrix.events import clean
from agent_bridge.matrix.pills import with_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_STICKER = "m.sticker"
_POLLS = ("m.poll.start", "org.matrix.msc3381.poll.start")
_CALLS = ("m.call.invite", "m.rtc.notification", "org.matrix.msc4075.rtc.notification")
#: Types of events, other than messages, by which people say something or expect an answer.
SPOKEN_TYPES = (_STICKER, *_POLLS, *_CALLS)
#: State events that begin and end a live location (MSC3672).
LIVE_LOCATIONS = ("m.beacon_info", "org.matrix.msc3672.beacon_info")

_LOCATION = "m.location"
_GALLERIES = ("m.gallery", "dm.filament.gallery")
_WORDS = ("m.text", "m.emote")
#: Messages of programs: a bot's notice, a request to verify a device, a notice of the homeserver.
_QUIET = ("m.notice", "m.key.verification.request", "m.server_notice")
#: Fields with the text of an extensible event (MSC1767).
_EXTENSIBLE = ("m.text", "org.matrix.msc1767.text")
#: Files of a gallery, and answers of a poll, that are read.
_MAX_FILES, _MAX_ANSWERS = 20, 50

#: The quotation that old clients put before a reply (spec 1.12, "Fallbacks for rich replies"): it names its author, by
#: the user id. Some clients use the display name; their HTML has the element of a quotation too.
_FALLBACK = re.compile(r"\A> (?:\* )?<@[^>\s]*:[^>\s]+>.*(?:\n>.*)*(?:\n+|\Z)")
_NAMED_FALLBACK = re.compile(r"\A> (?:\* )?<[^>\n]+>.*(?:\n>.*)*(?:\n+|\Z)")
_QUOTATION = "<mx-reply>"
#: A tag of HTML, or the beginning of a comment.
_TAG = re.compile(r"<(?P<end>/?)(?P<name>[A-Za-z][A-Za-z0-9-]*)[^<>]*>|<!--")
#: Elements of HTML that begin a new line, and those whose text people do not see.
_BLOCKS = frozenset(
    {
        "blockquote",
        "br",
        "div",
        "hr",
        "li",
        "ol",
        "p",
        "pre",
        "table",
        "tr",
        "ul",
        *(f"h{level}" for level in range(1, 7)),
    }
)
_UNSEEN = frozenset({"mx-reply", "script", "style", "title"})


def is_quiet(event_type: str, content: Mapping[str, Any]) -> bool:
    """Tell whether an event asks for no answer, whatever the room.

    That is a message of a program, an event without content, which is how a redacted one looks, and an event of a type
    that clients do not show.
    """
    if event_type == "m.room.message":
        return not content or content.get("msgtype") in _QUIET
    return not content or (event_type not in SPOKEN_TYPES and not _extensible(content))


def message_of(event_type: str, content: Mapping[str, Any]) -> MessagePayload | None:
    """Return the words and files of an event; None if it has none that an agent can get."""
    if event_type == _STICKER:
        said = _sticker(content)
    elif event_type in _POLLS:
        said = MessagePayload(_poll(event_type, content), form="poll")
    elif event_type in _CALLS:
        return None
    elif event_type != "m.room.message":
        said = MessagePayload(_extensible(content), form=event_type)
    else:
        said = _message(content)
    return said if said.body.strip() or said.files else None


def without_fallback(body: str, content: Mapping[str, Any]) -> str:
    """Return *body*, the text of *content*, without the quotation that old clients put before a reply."""
    if not is_reply(content):
        return body
    html = content.get("formatted_body")
    is_quoted = isinstance(html, str) and _QUOTATION in html
    return (_NAMED_FALLBACK if is_quoted else _FALLBACK).sub("", body, count=1)


def text_of_html(html: str) -> str:
    """Return the text that *html* shows; elements that are blocks begin a new line."""
    lines = (" ".join(line.split()) for line in "".join(_shown(html)).splitlines())
    return "\n".join(line for line in lines if line)


def is_reply(content: Mapping[str, Any]) -> bool:
    """Tell whether *content* relates to an earlier message as a reply, also only for clients that know no threads."""
    related = content.get("m.relates_to")
    return isinstance(related, dict) and isinstance(related.get("m.in_reply_to"), dict)


def answer_aloud(content: Mapping[str, Any]) -> str | None:
    """Return the event with the text that a voice message of the bridge reads aloud; None for other contents."""
    reply = content["m.relates_to"]["m.in_reply_to"] if SPOKEN in content and is_reply(content) else {}
    event_id = reply.get("event_id")
    return event_id if isinstance(event_id, str) else None


def _message(content: Mapping[str, Any]) -> MessagePayload:
    msgtype = content.get("msgtype")
    if (attachment := attachment_of(content)) is not None:
        return MessagePayload(attachment.caption or "", attachment)
    if msgtype in _GALLERIES:
        return _gallery(content)
    body = with_names(_string(content.get("body")), content)
    if not body.strip():
        body = text_of_html(_string(content.get("formatted_body"))) or _extensible(content)
    if msgtype == _LOCATION:
        place = _string(content.get("geo_uri"))
        return MessagePayload(body if place in body else f"{body}\n{place}".strip(), form="location")
    form = "" if msgtype in _WORDS else _string(msgtype)
    return MessagePayload(body, form=form)


def _sticker(content: Mapping[str, Any]) -> MessagePayload:
    image = attachment_of({**content, "msgtype": MediaKind.IMAGE})
    has_file = image is not None and (image.url is not None or image.encrypted)
    return MessagePayload(_string(content.get("body")), image if has_file else None, form="sticker")


def _gallery(content: Mapping[str, Any]) -> MessagePayload:
    items = content.get("itemtypes")
    found = [
        attachment
        for item in (items if isinstance(items, list) else [])[:_MAX_FILES]
        if isinstance(item, dict) and (attachment := attachment_of({**item, "msgtype": item.get("itemtype")}))
    ]
    captions = [_string(content.get("body")), *(each.caption or "" for each in found)]
    body = "\n\n".join(caption for caption in captions if caption.strip())
    return MessagePayload(body, found[0] if found else None, others=tuple(found[1:]))


def _poll(event_type: str, content: Mapping[str, Any]) -> str:
    poll = content.get("m.poll" if event_type == _POLLS[0] else event_type)
    if not isinstance(poll, dict):
        return _extensible(content)
    answers = poll.get("answers")
    lines = [_extensible(each) for each in (answers if isinstance(answers, list) else [])[:_MAX_ANSWERS]]
    question = _extensible(poll.get("question"))
    return "\n".join([question, *(f"- {line}" for line in lines if line)]) if question else _extensible(content)


def _extensible(content: object) -> str:
    """Return the text of an extensible event, or of a part of it (MSC1767); empty without one."""
    if not isinstance(content, dict):
        return ""
    for key in _EXTENSIBLE:
        value = content.get(key)
        if isinstance(value, list):
            value = next((each.get("body") for each in value if isinstance(each, dict)), None)
        if isinstance(value, str) and value.strip():
            return clean(value)
    return ""


def _string(value: object) -> str:
    return clean(value) if isinstance(value, str) else ""


def _shown(html: str) -> Iterator[str]:
    """Yield the pieces of text of *html*, and a line break at each block. Takes time in proportion to its length."""
    unseen = at = 0
    while (tag := _TAG.search(html, at)) is not None:
        if not unseen:
            yield unescape(html[at : tag.start()])
        at = tag.end()
        if tag["name"] is None:
            end = html.find("-->", at)
            at = len(html) if end < 0 else end + len("-->")
            continue
        name = tag["name"].lower()
        if name in _UNSEEN:
            unseen = max(0, unseen - 1) if tag["end"] else unseen + 1
        if name in _BLOCKS:
            yield "\n"
    if not unseen:
        yield unescape(html[at:])
