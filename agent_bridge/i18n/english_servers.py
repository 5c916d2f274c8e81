"""The texts about servers and channels in English."""

from __future__ import annotations

from agent_bridge.i18n.server_texts import ServerTexts

ENGLISH_SERVERS = ServerTexts(
    channel=("channel", "channels"),
    problems={
        "which_server": "Which server? Give its number or name: `{prefix} server` lists them.",
        "which_channel": "Which channel? Give its name: `{prefix} channel` lists them.",
        "no_server": "There is no server *{name}*. `{prefix} server` lists them.",
        "no_channel": "There is no channel *{name}*. `{prefix} channel` lists them.",
        "several": "Several channels are called *{name}*. Name the server too (`server/channel`), or give the number "
        "of the list (`server/2`, `#2`).",
        "no_name": "A name is missing.",
        "bad_name": "*{name}* cannot be the name: it has up to {most} characters, no slash, and is no number.",
        "taken": "The name *{name}* is taken.",
        "too_many_servers": "There are {most} servers, and can be no more.",
        "too_many_channels": "There are {most} channels, and can be no more.",
        "no_field": "Which property of *{name}*? `name`, `description` or `icon`, and then its value.",
        "bad_icon": "*{name}* is no picture on a homeserver: its address begins with `mxc://`.",
        "no_position": "Which place should *{name}* have? The list has {most}.",
        "silent": "Agents cannot write in *{name}*, so none can be added.",
        "bad_position": "*{name}* is no place of the list, which has {most}.",
        "not_ready": "The room of *{name}* is being made. Try again in a moment.",
        "no_agent": "Which agent? `{prefix} channel add` and its name.",
        "not_entered": "*{name}* cannot enter the channel. Its people may have removed the agent.",
        "outside": "You are not in *{name}*.",
        "closed": "*{name}* can be entered by an invitation of others only.",
        "powerless": "The homeserver does not let me do this in *{name}*.",
    },
    server_made=(
        "Server **{number}** {room} is ready, and it is yours. `{prefix} channel new {number}/name` makes a channel."
    ),
    no_servers="There are no servers. `{prefix} server new` and a name makes one (admins).",
    servers_head="Servers:",
    servers_foot="`{prefix} server join <number>` lets you in.",
    server_roles={
        "none": "no role",
        "agent": "agent",
        "member": "member",
        "moderator": "moderator",
        "admin": "admin",
        "owner": "owner",
    },
    owner="owner {user}",
    joined={
        "invited": "You are invited to {room}.",
        "joined": "You are in {room} now.",
        "inside": "You are already in {room}.",
    },
    left="You have left *{name}*. `{prefix} server join` and its name lets you in again.",
    updated={
        "name": "The server is called *{value}* now.",
        "description": "The description of *{name}* is: {value}",
        "icon": "*{name}* has the picture now.",
    },
    taken_away={
        "name": "A name is missing.",
        "description": "*{name}* has no description any more.",
        "icon": "*{name}* has no picture any more.",
    },
    ask_server="Delete the server *{name}* with {channels}, for all people and for good? `{prefix} {command}` does it.",
    ask_channel="Delete the channel *{name}*, for all people and for good? `{prefix} {command}` does it.",
    server_deleted="The server *{name}* and its channels are being deleted.",
    channel_deleted="The channel *{name}* is being deleted.",
    channel_made="The channel {room} is ready.",
    channel_made_in="The channel {room} is ready in *{server}*.",
    no_channels="There are no channels. `{prefix} channel new` and a name makes one (admins).",
    channels_head="Channels:",
    channels_head_of="Channels of *{server}*:",
    channels_foot="You enter them from the Space.",
    types={"announcement": "announcements", "log": "log of agents", "voice": "voice, not in use yet"},
    voice="This channel is reserved for voice. Agents and people cannot speak here yet.",
    changed={
        "renamed": "The channel *{name}* is called *{value}* now.",
        "topic": "The topic of *{name}* is: {value}",
        "moved": "The channel *{name}* has place {value} now.",
    },
    no_topic="The channel *{name}* has no topic any more.",
    added="*{agent}* is in *{channel}* and answers those who address it.",
    not_ready="is being made",
    powerless=(
        "A person has upgraded *{name}*, and I have no power in its new room. Give `{bot}` the power level 100 there, "
        "so that its names, roles, agents and its place in the Space stay in order."
    ),
)
