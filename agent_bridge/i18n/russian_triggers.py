"""The texts about triggers in Russian."""

from __future__ import annotations

from agent_bridge.i18n.trigger_texts import TriggerTexts

RUSSIAN_TRIGGERS = TriggerTexts(
    woken="⏰ **{trigger}** (владелец {owner}): {text}",
    asks="Этот текст прислала программа триггера «{trigger}», его не писал человек в комнате:",
    made={
        "callback": "Триггер **{number}** (*{name}*) один раз разбудит агента *{agent}*. Адрес — в вашем чате с ботом.",
        "signed": "Триггер **{number}** (*{name}*) будит агента *{agent}*. Адрес и ключ — в вашем чате с ботом.",
    },
    kinds={"callback": "адрес на один раз", "signed": "подписанные запросы"},
    problems={
        "no_private_chat": (
            "Секрет триггера — только для вас, а у вас нет чата с ботом, в котором больше никого нет. Начните его и "
            "отправьте там: `{prefix} trigger new @агент имя`."
        ),
        "which_agent": "Какой агент? Назовите его перед именем триггера: `{prefix} trigger new @агент имя`.",
        "not_there": "Агента *{name}* здесь нет, или у него нет комнаты.",
        "not_a_member": "Вас нет в комнате агента *{name}*.",
        "too_many": "У вас уже {most} триггеров, больше нельзя. Список: `{prefix} triggers`.",
        "name_taken": "У вас уже есть триггер *{name}*.",
        "bad_name": "*{name}* не может быть именем триггера: число означает номер из списка.",
        "which_trigger": "Какой триггер? Укажите номер или имя. Ваши триггеры: `{prefix} triggers`.",
        "unknown": "У вас нет триггера *{name}*. Ваши триггеры: `{prefix} triggers`.",
    },
    revoked="Триггер **{number}** (*{name}*) отозван.",
    callback_head=(
        "Адрес триггера *{name}*. Кто его знает, может один раз разбудить агента; срок: {time}. Больше он не "
        "показывается."
    ),
    signed_head=(
        "Адрес и ключ триггера *{name}*. Кто знает ключ, может будить агента от вашего имени. Больше он не "
        "показывается."
    ),
    none="У вас нет триггеров. Создать: `{prefix} trigger new`.",
    none_of_all="Ни у кого нет триггеров.",
    head="Триггеры, которые могут будить агентов:",
    foot="Отозвать: `{prefix} trigger revoke <номер>`.",
    page="Страница {page} из {pages}. Следующая: `{prefix} triggers {following} all`.",
    created="создан: {age} назад",
    used="сработал: {age} назад",
    expires="осталось: {time}",
    owner="владелец {owner}",
)
