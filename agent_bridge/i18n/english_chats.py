"""The texts of chats in English."""

from __future__ import annotations

from agent_bridge.i18n.chat_texts import ChatTexts

ENGLISH_CHATS = ChatTexts(
    untitled="{agent} · new chat",
    space_name="My chats",
    choose_head="Choose an agent, then the chat opens:",
    choose_how="Send the number of one.",
    made="Chat {number} with *{agent}* is ready: {link}",
    made_titled="The chat *{title}* with *{agent}* is ready: {link}",
    open_it="open it",
    gone="Chat {number} does not exist any more.",
    too_many="You have {chats}, and more are not possible.",
    begins_with="It begins with {messages} of this conversation.",
    fork_refused={
        "no_reply": "Please reply with `{prefix} fork` to a message: a new chat begins with the conversation up to it.",
        "unknown": "The conversation with *{agent}* does not have that message, or it has no answer yet.",
    },
    head="Your chats:",
    head_of_all="Chats of all people:",
    none="You have no chats yet. `{prefix} new` opens one.",
    none_of_all="There are no chats yet.",
    numbered="Chat {number}",
    listed="{position}. {chat} with *{agent}*, {age} ago",
    listed_of="- {chat} of {person} with *{agent}*, {age} ago",
    pairs="Direct rooms of two agents or two people ({number}), the newest first:",
    pair="- {room}, made {age} ago",
    page="Page {page} of {pages}. Another page: `{prefix} chats {following}`",
    renamed="This chat is called *{title}* now.",
    not_yours="This room is none of your chats. `{prefix} new` opens one that you can name.",
    is_direct="A direct chat with *{agent}* has no title and no archive. `{prefix} new` opens a chat that has both.",
    direct="Direct chat with {agent}",
    head_archived="Your archived chats:",
    none_archived="You have no archived chats.",
    more_archived="In the archive: {chats} (`{prefix} chats archived`).",
    archived=(
        "Archived. `{prefix} unarchive` brings this chat back, and a message does too. `{prefix} chats "
        "archived` lists it."
    ),
    unarchived="{chat} is back.",
    not_archived="{chat} is not in the archive.",
    delete_asked=(
        "Delete {chat} for good, with all its messages? Send `{prefix} yes` or react with ✅ within ten minutes."
    ),
    deleted="{chat} is being deleted.",
    nothing_to_confirm="There is nothing to confirm. `{prefix} delete`, `forget me` and an owner's `retire` ask first.",
    left=(
        "*{agent}* leaves this room and forgets the conversation. Please leave the room too: on this "
        "homeserver only its "
        "administrators can delete rooms."
    ),
    no_such_chat="None of your chats is *{value}*, or several are. `{prefix} {listing}` lists them with numbers.",
    title_prompt=(
        "Give a title for a conversation that begins as follows. Answer with the title only: at most six words, in the "
        "language of the question.\n\nQuestion: {question}\n\nAnswer: {answer}"
    ),
)
