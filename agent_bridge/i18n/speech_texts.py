"""The texts about answers that are read aloud, in one language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechTexts:
    """The part of :class:`~agent_bridge.i18n.catalogue.Texts` about speech."""

    #: Said in place of a block of code.
    code: str
    #: Said at the end of an answer that is too long.
    rest: str
    #: The name of the recording, without a suffix.
    name: str
    failed: str
    not_installed: str
    unreadable: str
    slow: str

    #: By :class:`~agent_bridge.core.rooms.SpeechMode`.
    modes: Mapping[str, str]
    no_speech: str
