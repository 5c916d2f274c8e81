"""Results of the command ``voice``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from agent_bridge.core.rooms import SpeechMode


@dataclass(frozen=True, slots=True)
class SpeechSet:
    """The room has this setting."""

    mode: SpeechMode


@dataclass(frozen=True, slots=True)
class SpeechMissing:
    """No server of agents reads answers aloud."""

    #: The key of the configuration that an upstream would need.
    key: str = "speech_model"


SpeechResult: TypeAlias = SpeechMissing | SpeechSet
