"""The texts of chats in Russian."""

from __future__ import annotations

from agent_bridge.i18n.chat_texts import ChatTexts

RUSSIAN_CHATS = ChatTexts(
    untitled="{agent} · новый чат",
    space_name="Мои чаты",
    choose_head="Выберите агента, и чат откроется:",
    choose_how="Отправьте его номер.",
    made="Чат {number} с агентом *{agent}* готов: {link}",
    made_titled="Чат *{title}* с агентом *{agent}* готов: {link}",
    open_it="открыть",
    gone="Чата {number} больше нет.",
    too_many="У вас уже {chats}, больше создать нельзя.",
    begins_with="В его начале {messages} этого разговора.",
    fork_refused={
        "no_reply": "Ответьте командой `{prefix} fork` на сообщение: новый чат начнётся с разговора до него.",
        "unknown": "В разговоре с агентом *{agent}* нет этого сообщения, или на него ещё нет ответа.",
    },
    head="Ваши чаты:",
    head_of_all="Чаты всех пользователей:",
    none="У вас ещё нет чатов. Новый откроет `{prefix} new`.",
    none_of_all="Чатов ещё нет.",
    numbered="Чат {number}",
    listed="{position}. {chat} с агентом *{agent}*, {age} назад",
    listed_of="- {chat} пользователя {person} с агентом *{agent}*, {age} назад",
    pairs="Личные комнаты двух агентов или двух людей ({number}), сначала новые:",
    pair="- {room}, создана {age} назад",
    page="Страница {page} из {pages}. Другая страница: `{prefix} chats {following}`",
    renamed="Теперь этот чат называется *{title}*.",
    is_direct="У личного чата с *{agent}* нет ни названия, ни архива. `{prefix} new` откроет чат, у которого они есть.",
    direct="Личный чат с {agent}",
    not_yours="Эта комната не ваш чат. `{prefix} new` откроет чат, которому вы можете дать название.",
    head_archived="Ваши чаты в архиве:",
    none_archived="В архиве нет ваших чатов.",
    more_archived="В архиве: {chats} (`{prefix} chats archived`).",
    archived=(
        "Чат в архиве. Его вернёт `{prefix} unarchive` или новое сообщение. Архив показывает `{prefix} chats archived`."
    ),
    unarchived="{chat} снова в списке.",
    not_archived="{chat} не в архиве.",
    delete_asked=(
        "Удалить {chat} навсегда вместе со всеми сообщениями? Отправьте `{prefix} yes` или поставьте ✅ в течение "
        "десяти минут."
    ),
    deleted="{chat} удаляется.",
    nothing_to_confirm="Подтверждать нечего. Спрашивают `{prefix} delete`, `forget me` и, у владельцев, `retire`.",
    left=(
        "*{agent}* покидает эту комнату и забывает разговор. Пожалуйста, покиньте её тоже: на этом домашнем сервере "
        "комнаты удаляют только его администраторы."
    ),
    no_such_chat="Ни один из ваших чатов не *{value}*, или таких несколько. Их номера показывает `{prefix} {listing}`.",
    title_prompt=(
        "Придумай название для разговора, который начинается так. Ответь только названием: не больше шести слов, на "
        "языке вопроса.\n\nВопрос: {question}\n\nОтвет: {answer}"
    ),
)
