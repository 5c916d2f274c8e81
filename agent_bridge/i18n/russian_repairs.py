"""The texts about the next pass and about repairs in Russian."""

from __future__ import annotations

from agent_bridge.i18n.repair_texts import RepairTexts

RUSSIAN_REPAIRS = RepairTexts(
    # Accusative, after «создать».
    room=("комнату", "комнаты", "комнат"),
    person=("человека", "человека", "человек"),
    # Nominative, before «проверено».
    compared=("комната", "комнаты", "комнат"),
    plan_head="При следующей проверке мост собирается:",
    plan_lines={
        "create": "- создать {count}: {names}",
        "add": "- добавить агентов, {count}: {names}",
        "rename": "- переименовать, {count}: {names}",
        "retire": "- считать ушедшими, {count}: {names}",
        "back": "- вернуть, {count}: {names}",
        "put_away": "- убрать давно ушедших, {count}: {names}",
        "delete": "- удалить {count} вместе с историей: {names}",
        "invite": "- пригласить {count}: {names}",
        "move": "- добавить в пространство {count}: {names}",
        "places": "- создать, изменить или удалить сообщества и каналы, {count}: {names}",
    },
    plan_nothing="Следующая проверка ничего не изменит.",
    plan_end="Ничего не изменено.",
    plan_more="и ещё {count}",
    plan_held={
        "waiting": "Новые агенты без комнаты до `sync all`, {count}: {names}",
        "doubted": "Разом исчезли и остаются до `sync all`, {count}: {names}",
        "vanished": "Некоторые имена неясны и ждут `same` или `sync all`. Исчезли из списка: {names}",
        "appeared": "Появились вместо них: {names}",
    },
    begun="Комнаты сравниваются с домашним сервером…",
    begun_agent="Комнаты агента *{agent}* сравниваются с домашним сервером…",
    begun_forced="Состояние, выбранное людьми, заменяется.",
    progress="Проверено комнат: {done} из {total}, исправлено: {repaired}.",
    done="{count}: проверка закончена.",
    done_clean="{count}: проверка закончена. Различий нет.",
    failed="Исправление прервалось: {cause}",
    room_line="*{name}*: {differences}",
    room_error="не проверено: {cause}",
    more_rooms="… и ещё {count}. Все они названы в журнале.",
    forces="`{command}` заменяет состояние, выбранное людьми.",
    parts={
        "room": "комната",
        "ghost_joined": "агент в комнате",
        "bot_joined": "бот в комнате",
        "ghost_name": "имя агента",
        "ghost_avatar": "аватар агента",
        "name": "название",
        "topic": "тема",
        "avatar": "аватар",
        "levels": "уровни прав",
        "join_rule": "правило входа",
        "guests": "доступ гостей",
        "alias": "адрес",
        "canonical_alias": "основной адрес",
        "child": "запись в пространстве",
        "parent": "ссылка на пространство",
        "functional": "список ботов",
        "bridge": "сведения о мосте",
        "upgrade": "обновление комнаты",
        "encryption": "шифрование",
        "other": "прочее состояние",
    },
    outcomes={
        "set": "исправлено ({parts})",
        "kept": "оставлено, так выбрал `{by}` ({parts})",
        "refused": "домашний сервер отказал ({parts})",
        "would_set": "требует исправления ({parts})",
    },
)
