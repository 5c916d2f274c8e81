"""The texts about triggers in English."""

from __future__ import annotations

from agent_bridge.i18n.trigger_texts import TriggerTexts

ENGLISH_TRIGGERS = TriggerTexts(
    woken="⏰ **{trigger}** (by {owner}): {text}",
    asks="This text was sent by the program of the trigger “{trigger}”, not written by a person in the room:",
    made={
        "callback": "Trigger **{number}** (*{name}*) wakes *{agent}* once. Its address is in your chat with me.",
        "signed": "Trigger **{number}** (*{name}*) wakes *{agent}*. Its address and key are in your chat with me.",
    },
    kinds={"callback": "callback URL, once", "signed": "signed requests"},
    problems={
        "no_private_chat": (
            "The secret of a trigger is for you alone, and you have no chat with me in which nobody else is. Begin "
            "one, and send there: `{prefix} trigger new @agent name`."
        ),
        "which_agent": "Which agent? Name it before the name of the trigger: `{prefix} trigger new @agent name`.",
        "not_there": "*{name}* is not here, or has no room.",
        "not_a_member": "You are not in the room of *{name}*.",
        "too_many": "You have {most} triggers, and can have no more. `{prefix} triggers` lists them.",
        "name_taken": "You have a trigger *{name}* already.",
        "bad_name": "*{name}* cannot be the name of a trigger: a number means one of the list.",
        "which_trigger": "Which trigger? Give its number or name: `{prefix} triggers` lists yours.",
        "unknown": "You have no trigger *{name}*. `{prefix} triggers` lists yours.",
    },
    revoked="Trigger **{number}** (*{name}*) is revoked.",
    callback_head=(
        "The address of the trigger *{name}*. Whoever knows it can wake the agent, once, within {time}. It is not "
        "shown again."
    ),
    signed_head=(
        "The address and the key of the trigger *{name}*. Whoever knows the key can wake the agent in your name. It is "
        "not shown again."
    ),
    none="You have no triggers. `{prefix} trigger new` makes one.",
    none_of_all="Nobody has triggers.",
    head="Triggers that can wake agents:",
    foot="`{prefix} trigger revoke <number>` ends one.",
    page="Page {page} of {pages}: `{prefix} triggers {following} all` shows the next one.",
    created="made {age} ago",
    used="last used {age} ago",
    expires="ends in {time}",
    owner="by {owner}",
)
