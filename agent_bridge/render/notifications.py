"""Notifications as one message of the bot, and the answers of ``notify``."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from agent_bridge.core.notifications import NotificationKind
from agent_bridge.core.results.commands import RoomAddress
from agent_bridge.core.results.notifications import NotificationsSet
from agent_bridge.render.chats import chat_link
from agent_bridge.render.content import escape, fits_event, in_backticks, message

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agent_bridge.core.notifications import Notification
    from agent_bridge.i18n.catalogue import Texts

#: Key of the content: the notifications, for programs.
NOTIFICATIONS = "org.agent_bridge.notifications"
#: Characters of a value that are shown, and that programs get: the first number with which the message fits an event.
#: It fits with the last one.
_SHOWN = (300, 100, 30, 10)
#: Values that stand between backticks, and those that are Markdown already.
_CODE, _MARKDOWN = frozenset({"tool"}), frozenset({(NotificationKind.QUOTA_REACHED, "text")})


def notification_message(
    notifications: Sequence[Notification], texts: Texts, domain: str, *, mark: str
) -> dict[str, Any]:
    """Return the message that tells a person of *notifications*, oldest first; clients notify the person of it.

    It fits an event: long texts are cut. Equal notifications, such as those of a task that was assigned again, are told
    once.
    """
    notifications = [each for place, each in enumerate(notifications) if each not in notifications[:place]]
    for longest in _SHOWN:
        content = _message(notifications, texts, domain, mark=mark, longest=longest)
        if fits_event(content, is_edited=False):
            break
    return content


def _message(
    notifications: Sequence[Notification], texts: Texts, domain: str, *, mark: str, longest: int
) -> dict[str, Any]:
    """Return the message with *longest* characters of each value."""
    lines = [_line(each, texts, domain, longest) for each in notifications]
    body = lines[0] if len(lines) == 1 else "\n".join(f"- {line}" for line in lines)
    text = f"{body}\n\n{texts.notifications.foot.format(prefix=texts.prefix)}"
    content = message(text, mark=mark, first=True, mentions=[notifications[0].user_id])
    return content | {NOTIFICATIONS: [_plain(each, longest) for each in notifications]}


def notification_renderers(texts: Texts, prefix: str) -> Mapping[type, Callable[[Any], str]]:
    """Return the function that renders the results of ``notify``; *prefix* starts a command in a room."""
    words = texts.notifications

    def of_setting(result: NotificationsSet) -> str:
        changed, present = (words.on, words.is_on) if result.is_on else (words.off, words.is_off)
        return (changed if result.is_changed else present).format(prefix=prefix)

    return {NotificationsSet: of_setting}


def _line(notification: Notification, texts: Texts, domain: str, longest: int) -> str:
    words = texts.notifications
    values = defaultdict(str, {name: _shown(notification, name, longest) for name in notification.values})
    line = words.kinds[notification.kind].format_map(values)
    if notification.room_id is None:
        return line
    return f"{line} {words.room.format(link=chat_link(RoomAddress(notification.room_id, domain), words.room_link))}"


def _shown(notification: Notification, name: str, longest: int) -> str:
    text = str(notification.values[name])
    if (notification.kind, name) in _MARKDOWN:
        return text
    text = text if len(text) <= longest else f"{text[:longest]}…"
    return in_backticks(text) if name in _CODE else escape(text)


def _plain(notification: Notification, longest: int) -> dict[str, Any]:
    """Return a notification for programs."""
    values = {key: each if isinstance(each, int) else each[:longest] for key, each in notification.values.items()}
    room = {} if notification.room_id is None else {"room_id": notification.room_id}
    return {"kind": str(notification.kind), "values": values, **room}
