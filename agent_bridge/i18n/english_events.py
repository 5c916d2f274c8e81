"""The texts of agent events in English."""

from __future__ import annotations

from agent_bridge.i18n.event_texts import EventTexts

ENGLISH_EVENTS = EventTexts(
    kinds={
        "started": "▶️ *{name}* started",
        "progress": "⏳ *{name}* goes on",
        "result": "✅ *{name}* is done",
        "error": "⚠️ *{name}* failed",
        "session_summary": "📝 *{name}*: summary of a session",
    },
    other_kind="🔹 *{name}*: `{kind}`",
    own_kind="🔹 `{kind}`",
    mirrored={
        "started": "▶️ *{name}* answers in the {room}",
        "result": "✅ *{name}* has answered in the {room} ({facts})",
        "error": "⚠️ *{name}* failed in the {room} ({facts}): {error}",
    },
    stopped="stopped",
    room="room",
    tokens=("token", "tokens"),
    accepted="The event `{kind}` is posted.",
    problems={
        "bad_kind": (
            "*{place}* cannot be the kind of an event: it has up to {most} small letters, digits, `_` and `.`, and "
            "begins with a letter."
        ),
        "no_object": "The data is no object in curly brackets, with a colon behind each key{at}.",
        "not_json": "A value is none of JSON{at}.",
        "too_large": "The data is too large{at}: it has up to {most} bytes.",
        "too_many": "The data has too many values: {most} at most{at}.",
        "too_deep": "Objects and lists in one another{at}: {most} at most.",
        "bad_number": "A number cannot be sent{at}: it is infinite, or too long.",
        "bad_text": "A text has characters that cannot be sent{at}.",
        "not_there": "The room is none of yours.",
        "not_allowed": "You may not write in this room.",
    },
    place=" at `{place}`",
    mirrors_all="*{channel}* shows when agents begin and end their turns.",
    mirrors="*{channel}* shows the beginnings and ends of the turns of {agents}.",
    mirrors_none="*{channel}* does not show the turns of agents. `{prefix} channel mirror {channel} on` changes that.",
    mirror_ended="*{channel}* does not show the turns of agents any more.",
    no_log="*{channel}* is no channel of the type `log`.",
)
