"""Contents of ``m.room.message`` events."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from agent_bridge.core.ids import MARK, parse_user_id
from agent_bridge.core.names import one_line
from agent_bridge.render.markdown.html import is_plain, to_html
from agent_bridge.render.markdown.plain import to_plain
from agent_bridge.render.markdown.unmarked import to_unmarked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Bytes of content that surely fit an event: 65,536 less the fields of the homeserver.
MAX_CONTENT = 60_000
#: Bytes of a content that surely fit an event if they are encrypted, which makes them a third more. Long edits lose the
#: text for clients without edits then.
MAX_ENCRYPTED = 44_000
#: Bytes of a content without its text.
_ENVELOPE = 1_000
#: Characters of a person's words in a sentence about them.
_TYPED = 80

#: The mark of an event that edits will complete (MSC4357).
LIVE = "org.matrix.msc4357.live"

#: Control characters show as nothing, and each takes six bytes of JSON. The last two reverse the order of letters.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u202d\u202e]")
#: Characters with a meaning in Markdown: anywhere, and (lists) at the beginning of a line.
_SPECIAL = re.compile(r"[\\`*_\[\]<>|~#$=^]|&(?=#?\w+;)")
_LIST = re.compile(r"^(?=[-+])|^(\d+)(?=[.)])")


def message(
    markdown: str,
    *,
    mark: str,
    notice: bool = False,
    live: bool = False,
    first: bool = False,
    plain: str | None = None,
    mentions: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the content that shows *markdown*; bots do not answer a *notice*.

    *live*: edits will complete the text; an open construct at its end is shown as if it were closed. *first*: the event
    is no edit. Clients notify people with its body, so the body has no Markdown, like that of a *notice*. *plain*: the
    body for clients without HTML, if it is not the text of *markdown*. ``m.mentions`` is always present, and has
    nobody but *mentions* (user ids), so the text notifies nobody by accident. Control characters are left out, and HTML
    that would not fit.
    """
    markdown = _CONTROL.sub("", markdown)
    formatted = to_html(markdown, live=True) if live else _complete(markdown)
    if plain is None:
        plain = to_plain(markdown, live=live)
        # Text without Markdown needs no second look.
        if (notice or first) and not is_plain(plain, formatted):
            plain = to_unmarked(markdown, live=live)
    content: dict[str, Any] = {
        "msgtype": "m.notice" if notice else "m.text",
        "body": plain,
        "m.mentions": mentioned(mentions),
        MARK: mark,
    }
    if live:
        content[LIVE] = {}
    if not is_plain(content["body"], formatted):
        rich = content | {"format": "org.matrix.custom.html", "formatted_body": _flowing(formatted)}
        if fits_event(rich):
            return rich
    return content


def growing_text(markdown: str) -> str:
    """Return the body of the growing message that shows *markdown*."""
    return to_plain(_CONTROL.sub("", markdown), live=True)


def _flowing(html: str) -> str:
    """Return *html* without the tags of its only paragraph: a client's "(edited)" then stands in the same line."""
    sole = html.startswith("<p>") and html.endswith("</p>") and html.count("<p>") == 1
    return html.removeprefix("<p>").removesuffix("</p>") if sole else html


@lru_cache(maxsize=16)
def _complete(markdown: str) -> str:
    """Return the HTML of a text that is complete. Its size is looked at first, then it is sent."""
    return to_html(markdown)


@lru_cache(maxsize=256)
def fits(markdown: str) -> bool:
    """Tell whether *markdown* with its HTML fits an event, and an edit of it."""
    return _size({"body": markdown, "formatted_body": _complete(markdown)}) <= MAX_CONTENT - _ENVELOPE


def fits_event(content: dict[str, Any], *, is_edited: bool = True) -> bool:
    """Tell whether *content* fits an event, also an encrypted one, and, if it *is_edited*, an edit to it, too."""
    if is_edited:
        return _size(content) <= MAX_CONTENT
    return len(json.dumps(content, ensure_ascii=False).encode()) <= MAX_ENCRYPTED


def _size(content: dict[str, Any]) -> int:
    """Return the bytes of an edit to *content*, which contains everything twice."""
    return len(json.dumps(edit(content, "$" + "x" * 43), ensure_ascii=False).encode())


def mentioned(users: Sequence[str]) -> dict[str, Any]:
    """Return the value of ``m.mentions`` for a message that mentions *users*."""
    return {"user_ids": [*users]} if users else {}


def mentions_of(content: Mapping[str, Any]) -> list[str]:
    """Return the users that a message of the bridge with this *content* mentions."""
    users: list[str] = content.get("m.mentions", {}).get("user_ids", [])
    return users


def edit(content: dict[str, Any], event_id: str, *, notifies: bool = False) -> dict[str, Any]:
    """Return the content that replaces the text of *event_id* by *content* (Matrix spec, "Event replacements").

    The edit notifies the users that *content* mentions only if it *notifies*: an earlier event may have done so.
    """
    # The replaced event keeps its mark and its relation, so the new content repeats neither.
    new = {key: value for key, value in content.items() if key not in {MARK, "m.relates_to"}}
    fallback = content | {"body": f"* {content['body']}"}
    if "formatted_body" in content:
        fallback["formatted_body"] = f"* {content['formatted_body']}"
    if not notifies and mentions_of(content):
        fallback["m.mentions"] = {}
    return fallback | {
        "m.new_content": new,
        "m.relates_to": {"rel_type": "m.replace", "event_id": event_id},
    }


def in_reply_to(event_id: str) -> dict[str, Any]:
    """Return the field that makes a content a reply to *event_id* (Matrix spec, "Rich replies")."""
    return {"m.relates_to": {"m.in_reply_to": {"event_id": event_id}}}


def in_thread(root: str, latest: str) -> dict[str, Any]:
    """Return the field that puts a content into the thread of *root* (Matrix spec, "Threading").

    Clients that know no threads show it as a reply to *latest*.
    """
    reply = in_reply_to(latest)["m.relates_to"]
    return {"m.relates_to": {"rel_type": "m.thread", "event_id": root, "is_falling_back": True, **reply}}


def reaction(event_id: str, key: str) -> dict[str, Any]:
    """Return the content of an ``m.reaction`` to *event_id* (Matrix spec, "Event annotations and reactions")."""
    return {"m.relates_to": {"rel_type": "m.annotation", "event_id": event_id, "key": key}}


def escape(text: str) -> str:
    """Return *text* as Markdown that shows it literally, in one line."""
    return _LIST.sub(r"\1\\", _SPECIAL.sub(r"\\\g<0>", one_line(text)))


def shortened(text: str) -> str:
    """Return the beginning of *text*, which a person typed, for a sentence about it."""
    return text if len(text) <= _TYPED else f"{text[:_TYPED]}…"


def in_backticks(text: str) -> str:
    """Return *text* for a place between backticks, in one line; its own backticks become apostrophes."""
    return one_line(text.replace("`", "'"))


def link(url: str, text: str) -> str:
    """Return a Markdown link whose *text* is taken literally."""
    return f"[{escape(text)}]({url})"


def user_link(name: str) -> str:
    """Return *name* as Markdown: a user id as a link, which clients show as the user's name; other names literally.

    Such a link notifies nobody: mentions are those in ``m.mentions``.
    """
    try:
        parse_user_id(name)
    except ValueError:
        return escape(name)
    return link(f"https://matrix.to/#/{quote(name, safe='@:')}", name)


def fenced(text: str, language: str = "") -> str:
    """Return a Markdown code block that shows *text* literally, including fences in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
