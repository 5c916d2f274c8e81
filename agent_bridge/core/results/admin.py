"""Results of ``admin``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class AdminLinkSent:
    """A link to the admin page is in the caller's chat with the bot."""


@dataclass(frozen=True, slots=True)
class AdminPageOff:
    """The configuration has no admin page."""


@dataclass(frozen=True, slots=True)
class NoPrivateChat:
    """The caller has no chat with the bot in which nobody else is."""


AdminResult: TypeAlias = AdminLinkSent | AdminPageOff | NoPrivateChat
