"""The texts about the progress of long work in Russian."""

from __future__ import annotations

from agent_bridge.i18n.operation_texts import OperationTexts

RUSSIAN_OPERATIONS = OperationTexts(
    kinds={
        "repair": "сверка комнат",
        "import": "импорт прежних сообщений",
        "invite": "приглашения",
        "erase": "удаление данных человека",
        "delete": "удаление комнат",
        "provision": "комнаты и имена агентов",
        "roles": "роли в комнатах",
        "removal": "удаление комнат агентов",
        "migrate": "обновление базы данных",
    },
    running="- Выполняется: {kind}, {done} из {total}",
    waits="- Запрошено: {kind} ({count})",
    room=("комната", "комнаты", "комнат"),
    deleting="Удаляю комнаты *{name}*: {done} из {total}…",
    deleted="*{name}*: удалено, {rooms}.",
    failed="Удаление *{name}* прервано: {cause}",
    behind="агенты, которые ещё не обновлены (мост пробует снова): {count}",
)
