"""The texts of chats in English."""

from __future__ import annotations

from agent_bridge.i18n.chat_texts import ChatTexts

ENGLISH_CHATS = ChatTexts(
    untitled="{agent} · new chat",
    choose_head="Choose an agent, then the chat opens:",
    choose_how="Send the number of one.",
    made="Chat {number} with *{agent}* is ready: {link}",
    made_titled="The chat *{title}* with *{agent}* is ready: {link}",
    open_it="open it",
    gone="Chat {number} does not exist any more.",
    too_many="You have {chats}, and more are not possible.",
)
