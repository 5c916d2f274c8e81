"""Everything that the bridge itself says to people, in one voice and several languages. Knows nothing of the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from agent_bridge.i18n.english import ENGLISH
from agent_bridge.i18n.russian import RUSSIAN

if TYPE_CHECKING:
    from agent_bridge.i18n.catalogue import Texts


def texts_in(language: Literal["en", "ru"]) -> Texts:
    """Return what the bridge says in *language*."""
    return {"en": ENGLISH, "ru": RUSSIAN}[language]
