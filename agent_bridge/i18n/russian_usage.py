"""The texts about the use of tokens and money in Russian."""

from __future__ import annotations

from agent_bridge.i18n.usage_texts import UsageTexts

RUSSIAN_USAGE = UsageTexts(
    request=("запрос", "запроса", "запросов"),
    token=("токен", "токена", "токенов"),
    thousand="1\N{NO-BREAK SPACE}000,00",
    used_up={
        "user": "Вы израсходовали свой лимит {period}: {limit}.",
        "role": "Общий лимит пользователей с ролью *{role}* {period} израсходован: {limit}.",
        "room": "Лимит этой комнаты {period} израсходован: {limit}.",
        "agent": "Лимит агента **{agent}** {period} израсходован: {limit}.",
        "upstream": "Лимит сервера агента **{agent}** {period} израсходован: {limit}.",
    },
    too_many={
        "user": "Вам можно отправлять {messages} в минуту.",
        "role": "Всем пользователям с ролью *{role}* вместе можно отправлять {messages} в минуту.",
        "room": "В этой комнате можно отправлять {messages} в минуту.",
        "agent": "Агент **{agent}** принимает {messages} в минуту.",
        "upstream": "Сервер агента **{agent}** принимает {messages} в минуту.",
    },
    for_period={"day": "на сегодня", "month": "на этот месяц"},
    goes_on="Продолжить можно {moment}.",
    never="Квота не пропускает это сообщение. Изменить это может {admin}.",
    soon="через {duration}",
    at_time="в {time} ({zone})",
    tomorrow="завтра в {time} ({zone})",
    on_day="{day} {month} ({zone})",
    months=(
        "января",
        "февраля",
        "марта",
        "апреля",
        "мая",
        "июня",
        "июля",
        "августа",
        "сентября",
        "октября",
        "ноября",
        "декабря",
    ),
    head_own="Вы, {period}: {sums}",
    head_user="*{user}*, {period}: {sums}",
    head_all="Все люди, {period}: {sums}",
    in_period={"day": "сегодня", "month": "в этом месяце"},
    of_limit="{used} из {limit}",
    line="{number}. {name}: {sums}",
    line_more="… и ещё {count}",
    estimated="≈ Серверы не сообщили токены, это оценка: {requests}.",
    nothing="ничего",
)
