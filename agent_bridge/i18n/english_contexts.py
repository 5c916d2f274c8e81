"""The texts about conversations with agents in English."""

from __future__ import annotations

from agent_bridge.i18n.context_texts import ContextTexts

ENGLISH_CONTEXTS = ContextTexts(
    instructed="(Instructions for this conversation: {instructions})",
    uninstructed="(The earlier instructions for this conversation do not apply any more.)",
    begun="**{agent}** starts afresh. `{prefix} load` brings the earlier conversation back.",
    refused={
        "no_agent": "Please reply to a message of an agent with this command: the room has several.",
        "unnamed": "The room has several agents. Please write the name of one behind the command.",
        "absent": "**{agent}** is not in this room.",
        "no_upstream": "**{agent}** is no longer available.",
        "one_memory": (
            "The server of **{agent}** keeps one memory for all rooms, so no conversation can begin or be loaded here."
        ),
        "no_copies": (
            "The server of **{agent}** keeps the conversation and cannot copy it. `{prefix} reset` begins a new one, "
            "and `{prefix} load` goes back."
        ),
        "no_models": "The server of **{agent}** chooses the model itself.",
        "empty": "Nothing was said yet that could be saved.",
        "name_taken": "*{name}* exists already. `{prefix} forget {typed}` deletes it.",
        "number": "A number alone cannot be a name.",
        "too_many": "You have saved {most} conversations, and no more are allowed. `{prefix} forget` deletes one.",
        "unknown": "No saved conversation is called *{name}*. `{prefix} saves` lists them.",
        "similar": "No saved conversation is called *{name}*. Did you mean *{nearest}*?",
        "unknown_model": "No model of the server is called *{name}*. `{prefix} model` lists them.",
        "similar_model": "No model of the server is called *{name}*. Did you mean *{nearest}*?",
        "gone": "It was deleted in the meantime.",
        "no_history": "The server of **{agent}** does not tell earlier messages.",
        "not_begun": "The conversation with **{agent}** here has no earlier messages.",
    },
    report_bridge="**{agent}** gets {messages} before the next one: about {tokens} of {budget} tokens.",
    report_server="**{agent}** gets the next message alone: its server remembers the {messages} of this conversation.",
    report_empty="Nothing was said yet in this conversation.",
    report_began="Begun {age} ago.",
    report_model="Model: `{model}`",
    report_prompt="System prompt: {prompt}",
    report_instructions="Instructions: {prompt}",
    report_no_prompt="No system prompt.",
    instructions_set="**{agent}** follows these instructions here from now on.",
    instructions_off="**{agent}** has no further instructions here.",
    instructions_now="Instructions for **{agent}** here: {instructions}",
    instructions_none="**{agent}** has no instructions here. `{prefix} instructions <text>` gives some.",
    model_set="**{agent}** is asked as `{model}` here from now on.",
    models="Models for **{agent}** here:",
    models_how="`{prefix} model <name>` changes it for this room. ✓ is asked now.",
    saved="Saved as *{name}*. `{prefix} load` brings it back.",
    list_head="Conversations with **{agent}**:",
    list_head_renewed="That list is too old. These are the conversations with **{agent}** now:",
    list_empty="No conversation with **{agent}** is saved. `{prefix} save` saves the present one.",
    list_saved="{number}. **{name}**: {messages}, saved {age} ago",
    list_ended="{number}. {messages}, ended {age} ago",
    list_more="… and {count} older ones",
    list_how="Send a number to go on with one, or `{prefix} load <name>`.",
    loaded="**{agent}** goes on with *{name}*: {messages}. `{prefix} load` lists the one until now.",
    loaded_ended="**{agent}** goes on where it ended: {messages}. `{prefix} load` lists the one until now.",
    forgotten="*{name}* is deleted.",
    imported_name="You (imported)",
    importing="Reading the earlier messages of **{agent}**…",
    import_progress="Imported {done} of {messages}…",
    imported="Imported {messages}.",
    imported_none="There are no earlier messages to import.",
    imported_known="Here already: {count}.",
    import_failed="The import ended early: {cause}. `{prefix} import` goes on.",
)
