"""Results of ``admin`` as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_bridge.core.results.admin import AdminLinkSent, AdminPageOff, NoPrivateChat

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent_bridge.i18n.catalogue import Texts


def admin_renderers(texts: Texts, prefix: str) -> Mapping[type, Callable[[Any], str]]:
    """Return the functions that render results, by the types of the results; *prefix* starts a command in a room."""
    words = texts.admin
    return {
        AdminLinkSent: lambda _: words.link_sent,
        AdminPageOff: lambda _: words.page_off,
        NoPrivateChat: lambda _: words.no_private_chat.format(prefix=prefix),
    }
