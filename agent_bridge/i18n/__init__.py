"""The texts that people read in rooms, in several languages. This package imports no other part of the bridge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from agent_bridge.i18n.english import ENGLISH
from agent_bridge.i18n.russian import RUSSIAN

if TYPE_CHECKING:
    from agent_bridge.i18n.catalogue import Texts


def texts_in(language: Literal["en", "ru"]) -> Texts:
    """Return the texts in *language*."""
    return {"en": ENGLISH, "ru": RUSSIAN}[language]
