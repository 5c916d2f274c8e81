"""The texts about access in English."""

from __future__ import annotations

from agent_bridge.i18n.access_texts import AccessTexts

ENGLISH_ACCESS = AccessTexts(
    room=("room", "rooms"),
    this_room="this room",
    arrivals={
        "invited": "Invited {user} to {room}.",
        "joined": "{user} is in {room} now.",
        "inside": "{user} is already in {room}.",
    },
    is_muted="However, {user} is muted: agents get nothing of {user} until `{prefix} unmute {typed}`.",
    left="{user} has left {room}. `{prefix} invite` and its name asks for an invitation again.",
    removed="{user} is out of {room}. An invitation lets {user} in again.",
    left_reason="Left on request.",
    removed_reason="Removed by {user}.",
    not_administrator=(
        "`homeserver.admin` is true, and {bot} is no server administrator of the homeserver: people get invitations "
        "that they have to accept. `agent-bridge doctor` names the remedy."
    ),
    begun="{user} is being invited into the Space, and into the rooms that cannot be entered from there.",
    progress="{user}: {done} of {total} rooms so far.",
    result="{user}: {parts}.",
    nothing="there is no room",
    space={
        "invited": "invited to the Space",
        "joined": "in the Space now",
        "inside": "already in the Space, or invited",
        "banned": "banned from the Space",
        "powerless": "not invited to the Space: I do not have the power there",
        "away": "not invited to the Space: the server of the user does not answer",
        "no_role": "not invited to the Space: the user has no role",
        "revoked": "not invited to the Space: the admin who asked for it is no admin any more",
    },
    rooms={
        "invited": "invited to {rooms}",
        "joined": "in {rooms} now",
        "inside": "already in {rooms}, or invited",
        "open": "{rooms} can be entered from the Space",
        "removed": "{rooms} left out, because the user was removed there",
        "banned": "{rooms} left out, because the user is banned there",
        "powerless": "{rooms} left out, because I do not have the power there",
        "away": "{rooms} left out, because the server of the user does not answer",
        "no_role": "{rooms} left out, because the user has no role",
        "revoked": "{rooms} left out, because the admin who asked for it is no admin any more",
    },
    failed="The rest failed: {cause}. `{prefix} invite * {typed}` goes on.",
)
