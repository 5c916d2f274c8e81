"""The texts about the data of people in English."""

from __future__ import annotations

from agent_bridge.i18n.data_texts import DataTexts

ENGLISH_DATA = DataTexts(
    kinds={
        "chats": ("chat", "chats"),
        "direct_chats": ("direct chat", "direct chats"),
        "messages": ("message or command", "messages and commands"),
        "heard": ("message that agents have heard", "messages that agents have heard"),
        "saved": ("saved conversation", "saved conversations"),
        "spaces": ("own Space", "own Spaces"),
        "choices": ("choice from a list", "choices from lists"),
        "instructions": ("instruction for an agent", "instructions for agents"),
        "triggers": ("trigger", "triggers"),
        "schedules": ("schedule", "schedules"),
        "tokens": ("token of a program", "tokens of programs"),
        "tasks": ("task", "tasks"),
        "notifications": ("notification", "notifications"),
        "feed": ("entry of the feed of programs", "entries of the feed of programs"),
        "usage": ("record of tokens", "records of tokens"),
        "dead_letters": ("event that could not be taken", "events that could not be taken"),
    },
    progress="Erasing the data of `{user}`: step {done} of {total}.",
    done="The data of `{user}` are erased: {parts}.",
    done_nothing="The data of `{user}` are erased: there were none.",
    would="This would erase the data of `{user}`: {parts}.",
    would_nothing="There are no data of `{user}`.",
    kept="The bridge cannot delete these conversations on the servers of agents, which may have words of `{user}`:",
    kept_line="- *{agent}* ({upstream}): `{conversation}`",
    kept_memory="- *{agent}* ({upstream}): its memory",
    kept_more="- … and {count} more",
    rooms="The homeserver did not let the bridge leave these rooms: {rooms}",
    open="Answers to messages of several people still go on: {count}. Repeat the erasure in a moment.",
    asked=(
        "Erase everything that the bridge has of you? All your chats and their rooms, conversations, saved "
        "conversations and usage are deleted for good, and the agents forget what you said. "
        "Send `{prefix} yes` or react with ✅ within ten minutes."
    ),
    own_chat="This chat would be deleted, with my answer. Please send `forget me` in your chat with the bot.",
    too_soon="Your data were erased today. You can do that again in {duration}.",
    begun="Erasing your data…",
    export_title="Conversation with {agent}",
    exported="The conversation with *{agent}*: {messages}.",
    export_empty="There is no conversation with *{agent}* here that could be exported.",
    export_too_large=(
        "The conversation with *{agent}* does not fit a file of {limit}, the most that the homeserver takes."
    ),
    stays=(
        "The messages in rooms of several people stay on the homeserver, which has its own erasure; so do roles and "
        "mutes."
    ),
    failed="The erasure ended early: {cause}",
)
