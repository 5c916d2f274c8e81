"""The texts about schedules in Russian."""

from __future__ import annotations

from agent_bridge.i18n.schedule_texts import ScheduleTexts

RUSSIAN_SCHEDULES = ScheduleTexts(
    told="⏰ По расписанию {owner} ({when}): {text}",
    told_late="⏰ По расписанию {owner} ({when}); с опозданием, один раз за {times} с {due}: {text}",
    times_missed=("пропущенный раз", "пропущенных раза", "пропущенных раз"),
    asks="Человек заранее назначил это сообщение на это время ({when}):",
    asks_late="Человек заранее назначил это сообщение ({when}). Оно опоздало: срок был {due}.",
    made="Расписание **{number}** ({when}): вопрос агенту *{agent}* — {due}. Удалить: `{prefix} unschedule {number}`.",
    paused="Расписание **{number}** приостановлено. Возобновить: `{prefix} resume {number}`.",
    resumed="Расписание **{number}** возобновлено, следующий раз — {due}.",
    removed="Расписание **{number}** ({when}) удалено.",
    problems={
        "which_agent": "Какой агент? Назовите его после времени: `{prefix} schedule через 20 минут @агент запрос`.",
        "not_there": "Агента *{name}* здесь нет, или у него нет комнаты.",
        "not_a_member": "Вас нет в комнате агента *{name}*.",
        "no_prompt": "О чём спросить агента? `{prefix} schedule через 20 минут @агент запрос`.",
        "prompt_too_long": "В запросе больше {most} символов.",
        "too_many": "У вас уже {most} расписаний, больше нельзя. Список: `{prefix} schedules`.",
        "too_many_in_room": "В этой комнате уже {most} расписаний, больше нельзя.",
        "too_often": "Это слишком часто: наименьший промежуток — {most}.",
        "unknown": "У вас нет расписания {name}. Ваши расписания: `{prefix} schedules`.",
        "over": "Время расписания ({name}) прошло. Создать новое: `{prefix} schedule`.",
    },
    times={
        "empty": "Не указано время.",
        "unknown_word": "*{word}* — непонятное обозначение времени.",
        "no_time": "После *{word}* не указан день или время суток.",
        "bad_time": "*{word}* — такого времени суток нет.",
        "bad_date": "*{word}* — такого дня в календаре нет.",
        "bad_cron": "*{word}* не подходит для выражения cron; в нём пять полей: минута, час, день, месяц, день недели.",
        "past": "*{word}* — это время уже прошло.",
        "too_far": "*{word}* — это никогда не наступит или будет позже чем через пять лет.",
        "repeats": "*{word}* — это повторяется, а нужен один момент.",
    },
    examples="Примеры: `через 20 минут`, `завтра в 9:00`, `01.12.2030 12:00`, `по будням в 9:00`, `cron 0 9 * * 1-5`.",
    none="У вас нет расписаний. Создать: `{prefix} schedule`.",
    none_of_all="Ни у кого нет расписаний.",
    head="Расписания:",
    foot="Приостановить: `{prefix} pause <номер>`, возобновить: `{prefix} resume <номер>`, удалить: "
    "`{prefix} unschedule <номер>`.",
    page="Страница {page} из {pages}. Следующая: `{prefix} schedules {following}`.",
    next="следующий раз: {due}",
    is_paused="приостановлено",
    owner="владелец {owner}",
    troubles={
        "no_role": "не выполнено: у владельца нет роли",
        "muted": "не выполнено: владелец заглушён",
        "not_in_room": "не выполнено: владельца нет в комнате",
        "agent_away": "не выполнено: агент был недоступен",
        "broken": "не выполнено: время или его пояс больше нельзя прочесть",
    },
)
