"""Reactions that ask for something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_bridge.core.approvals import Verdict

if TYPE_CHECKING:
    from agent_bridge.matrix.events import RoomEvent

#: Reactions to a question or to an answer. Some clients add a variation selector: that of emoji, or that of text.
STOP = "🛑"
AGAIN = "🔁"
#: Reactions to a card that asks whether a tool may run.
VERDICTS = {"✅": Verdict.ALLOW, "❌": Verdict.DENY, "♾": Verdict.ALWAYS}
#: The reaction that confirms a question of the bridge.
CONFIRM = "✅"
#: The reaction by which people let agents go on, in any tone of skin.
RESUME = "👍"
#: The reaction by which people claim a task, in any tone of skin.
CLAIM = "✋"
_VARIATIONS = "\ufe0e\ufe0f"
_TONES = "🏻🏼🏽🏾🏿"


def reaction_of(event: RoomEvent) -> str | None:
    """Return the key of a reaction (spec, "Event annotations and reactions"), None if *event* is none."""
    related = event.content.get("m.relates_to")
    key = related.get("key") if event.type == "m.reaction" and isinstance(related, dict) else None
    return key.rstrip(_VARIATIONS) if isinstance(key, str) else None


def lets_go_on(event: RoomEvent) -> bool:
    """Tell whether *event* is the reaction by which people let agents go on."""
    return (reaction_of(event) or "").rstrip(_TONES) == RESUME


def claims(event: RoomEvent) -> bool:
    """Tell whether *event* is the reaction by which people claim a task."""
    return (reaction_of(event) or "").rstrip(_TONES) == CLAIM
