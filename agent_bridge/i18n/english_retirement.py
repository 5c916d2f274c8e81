"""The texts about agents that are retired, in English."""

from __future__ import annotations

from agent_bridge.i18n.retirement_texts import RetirementTexts

ENGLISH_RETIREMENT = RetirementTexts(
    state="retired",
    retired="*{agent}* is retired: the Space does not list its room any more. `{command}` undoes it.",
    asked=(
        "Delete the room of *{agent}* for all, with its history? Send `{prefix} yes` or react with ✅ within ten "
        "minutes."
    ),
    confirmed="The room of *{agent}* is being deleted. `{command}` makes a new one.",
    back="*{agent}* is back.",
    not_listed="*{agent}* is not retired any more, but its server does not list it. It is back when the server does.",
    not_retired="*{agent}* is not retired.",
    not_deleted=(
        "The room of *{agent}* is put away, and not deleted: `{bot}` is no server administrator, or the homeserver "
        "refuses it."
    ),
)
