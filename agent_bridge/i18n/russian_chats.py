"""The texts of chats in Russian."""

from __future__ import annotations

from agent_bridge.i18n.chat_texts import ChatTexts

RUSSIAN_CHATS = ChatTexts(
    untitled="{agent} · новый чат",
    choose_head="Выберите агента, и чат откроется:",
    choose_how="Отправьте его номер.",
    made="Чат {number} с агентом *{agent}* готов: {link}",
    made_titled="Чат *{title}* с агентом *{agent}* готов: {link}",
    open_it="открыть",
    gone="Чата {number} больше нет.",
    too_many="У вас уже {chats}, больше создать нельзя.",
)
