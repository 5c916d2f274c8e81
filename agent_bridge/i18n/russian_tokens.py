"""The texts about tokens of programs in Russian."""

from __future__ import annotations

from agent_bridge.i18n.token_texts import TokenTexts

RUSSIAN_TOKENS = TokenTexts(
    made="Токен **{number}** (*{name}*) действует от имени *{identity}*. Он — в вашем чате с ботом.",
    problems={
        "no_private_chat": (
            "Токен — только для вас, а у вас нет чата с ботом, в котором больше никого нет. Начните его и отправьте "
            "там: `{prefix} token new имя`."
        ),
        "bad_name": "Токену нужно имя, и это не число: `{prefix} token new имя`.",
        "name_taken": "Токен *{name}* уже есть.",
        "too_many": "Токенов уже {most}, больше нельзя. Список: `{prefix} tokens`.",
        "unknown_option": (
            "Параметра *{name}* нет. Есть `--as агент`, `--rooms комната …`, `--can read,send,…` и `--expires 30 дней`."
        ),
        "unknown_capability": "Права *{name}* нет, есть только `read`, `send`, `ask`, `react` и `create`.",
        "unknown_room": "Комната *{name}* неизвестна. Называйте комнаты по идентификаторам или именам агентов.",
        "unknown_agent": "Агента с именем *{name}* нет, или их несколько.",
        "bad_time": "*{name}* — это не срок: `--expires 30 дней`.",
        "not_yours": "Токены для агентов создают только администраторы, а за другого человека — никто.",
        "which_token": "Какой токен? Укажите номер или имя. Ваши токены: `{prefix} tokens`.",
        "unknown": "У вас нет токена *{name}*. Ваши токены: `{prefix} tokens`.",
    },
    revoked="Токен **{number}** (*{name}*) отозван.",
    head=(
        "Токен *{name}*. Программа, у которой он есть, может всё, что он разрешает. Больше он не показывается: храните "
        "его в файле, который читаете только вы, и удалите это сообщение."
    ),
    none="У вас нет токенов. Создать: `{prefix} token new имя`.",
    none_of_all="Токенов нет.",
    list_head="Токены программ:",
    foot="Отозвать: `{prefix} token revoke <номер>`.",
    page="Страница {page} из {pages}. Следующая: `{prefix} tokens {following} all`.",
    can="права: {capabilities}",
    limited="только в комнатах ({rooms})",
    created="создан: {age} назад",
    used="использован: {age} назад",
    unused="не использован",
    expires="осталось: {time}",
)
