"""The texts about tokens of programs in English."""

from __future__ import annotations

from agent_bridge.i18n.token_texts import TokenTexts

ENGLISH_TOKENS = TokenTexts(
    made="Token **{number}** (*{name}*) acts as *{identity}*. It is in your chat with me.",
    problems={
        "no_private_chat": (
            "A token is for you alone, and you have no chat with me in which nobody else is. Begin one, and send "
            "there: `{prefix} token new name`."
        ),
        "bad_name": "A token needs a name that is no number: `{prefix} token new name`.",
        "name_taken": "There is a token *{name}* already.",
        "too_many": "There are {most} tokens, and can be no more. `{prefix} tokens` lists them.",
        "unknown_option": (
            "There is no option *{name}*. Options are `--as agent`, `--rooms room …`, `--can read,send,…` and "
            "`--expires 30 days`."
        ),
        "unknown_capability": "A token cannot be for *{name}*, only for `read`, `send`, `ask`, `react` and `create`.",
        "unknown_room": "I know no room *{name}*. Name rooms by their ids, or by the names of their agents.",
        "unknown_agent": "No agent, or more than one, has the name *{name}*.",
        "bad_time": "*{name}* is no length of time: `--expires 30 days`.",
        "not_yours": "Only admins make tokens for agents, and nobody makes one for another person.",
        "which_token": "Which token? Give its number or name: `{prefix} tokens` lists yours.",
        "unknown": "You have no token *{name}*. `{prefix} tokens` lists yours.",
    },
    revoked="Token **{number}** (*{name}*) is revoked.",
    head=(
        "The token *{name}*. A program that has it can do everything that the token permits. It is not shown again: "
        "keep it in a file that only you can read, and redact this message."
    ),
    none="You have no tokens. `{prefix} token new name` makes one.",
    none_of_all="There are no tokens.",
    list_head="Tokens of programs:",
    foot="`{prefix} token revoke <number>` ends one.",
    page="Page {page} of {pages}: `{prefix} tokens {following} all` shows the next one.",
    can="can {capabilities}",
    limited="in {rooms} rooms only",
    created="made {age} ago",
    used="last used {age} ago",
    unused="never used",
    expires="ends in {time}",
)
