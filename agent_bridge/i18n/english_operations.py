"""The texts about the progress of long work in English."""

from __future__ import annotations

from agent_bridge.i18n.operation_texts import OperationTexts

ENGLISH_OPERATIONS = OperationTexts(
    kinds={
        "repair": "comparison of rooms",
        "import": "import of earlier messages",
        "invite": "invitations",
        "erase": "erasure of the data of a person",
        "delete": "deletion of rooms",
        "provision": "rooms and names of agents",
        "roles": "roles in rooms",
        "removal": "removal of the rooms of agents",
        "migrate": "migration of the database",
    },
    running="- In progress: {kind}, {done} of {total}",
    waits="- Requested: {kind} ({count})",
    room=("room", "rooms"),
    deleting="Deleting the rooms of *{name}*: {done} of {total}…",
    deleted="*{name}* is deleted: {rooms}.",
    failed="The deletion of *{name}* ended early: {cause}",
    behind="agents that are not up to date (the bridge tries again): {count}",
)
