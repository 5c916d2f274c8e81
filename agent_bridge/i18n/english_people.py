"""The texts about people in English."""

from __future__ import annotations

from agent_bridge.i18n.people_texts import PeopleTexts

ENGLISH_PEOPLE = PeopleTexts(
    removed="You no longer have access to the agents of this bridge. {admin} can help.",
    level_stuck=(
        "The power of {user} cannot be changed in {room}, and perhaps in other rooms: in an old room nobody lowers an "
        "equal, or the bridge has no power there. {user} can lower the own power in the settings of the room, and an "
        "upgrade of the room helps too."
    ),
    is_role={
        "none": "has no role",
        "agent": "has the role of a bot",
        "member": "is a member",
        "moderator": "is a moderator",
        "admin": "is an admin",
        "owner": "is an owner",
    },
    role_words={
        "none": "no role",
        "agent": "agent",
        "member": "member",
        "moderator": "moderator",
        "admin": "admin",
        "owner": "owner",
    },
    shown="{user} {is_role}. {source}",
    sources={
        "server": "{by} gave the role in this server {age} ago.",
        "assigned": "{by} gave the role {age} ago.",
        "user": "It is set for the user.",
        "pattern": "It is set for {key}.",
        "bridged": "Users of other bridges need a role of their own.",
        "domain": "It is set for {key}.",
        "anyone": "It is set for everybody.",
        "nobody": "No role is set.",
    },
    otherwise="Without that, the user {is_role}.",
    given="{user} {is_role} now. All rooms follow within seconds.",
    given_here="{user} {is_role} in *{server}* now.",
    refused={
        "owners_only": "Only an owner can do that.",
        "file_owner": "The settings of the bridge name {user} as an owner, so the role stays.",
        "own_role": "You cannot raise your own role.",
        "last_admin": "You are the last admin. Give another person the role before you give it up.",
        "ours": "{user} belongs to the bridge.",
        "higher": "{user} has your role or a higher one.",
        "not_there": "{user} is not in this room.",
        "powerless": "I do not have the power for that in the room. Admins can try `{prefix} repair`.",
        "no_server": "This room belongs to no server. Without `here` the role counts in all rooms.",
        "no_room": "Please send this command in the room that you mean.",
        "no_place": "Please send this command in the room that you mean, or name an agent (`{prefix} agents`).",
        "not_made": "This room belongs to its people: please do that in your client.",
        "no_role": "{user} has no role, so agents would not answer: `{prefix} role {typed} member` gives one.",
        "unknown": "The homeserver has no account {user}: please check the spelling.",
        "banned": "{user} is banned there. The ban has to be lifted first, in the settings of the room.",
        "away": "The server of {user} does not answer, or refuses the invitation. Please try again later.",
        "outside": "{user} is not in that room.",
    },
    list_head="Roles:",
    list_line="{number}. {key}: {role}",
    list_given="{number}. {key}: {role}, given by {by}",
    list_page="Page {page} of {pages}: `{prefix} roles {following}` shows the next one.",
    muted="{user} is muted here{duration}: agents get nothing of {user}.",
    muted_everywhere="{user} is muted in all rooms{duration}: agents get nothing of {user}.",
    muted_for=" for {duration}",
    muted_turns="{messages} ended.",
    may_write="People still see the messages of {user}: I cannot change that in this room.",
    unmuted="{user} is not muted here any more.",
    unmuted_everywhere="The mute of {user} in all rooms is over.",
    not_muted="{user} was not muted here.",
    kicked="{user} is out of this room. An invitation lets {user} in again.",
    pins={
        "pinned": "Pinned.",
        "unpinned": "Not pinned any more.",
        "no_reply": "Please reply to the message with this command.",
        "unknown": "I do not see that message in this room.",
        "full": "{most} messages are pinned, and more are not possible.",
        "powerless": "I do not have the power to pin messages in this room.",
    },
)
