"""The texts about access in Russian."""

from __future__ import annotations

from agent_bridge.i18n.access_texts import AccessTexts

RUSSIAN_ACCESS = AccessTexts(
    room=("комната", "комнаты", "комнат"),
    this_room="эта комната",
    arrivals={
        "invited": "Приглашение для {user} отправлено: {room}.",
        "joined": "{user} теперь здесь: {room}.",
        "inside": "{user} уже здесь: {room}.",
    },
    is_muted="Но {user} заглушён: агенты ничего не получают от {user} до `{prefix} unmute {typed}`.",
    left="{user} больше не здесь: {room}. `{prefix} invite` с названием снова даёт приглашение.",
    removed="{user} больше не здесь: {room}. Вернуться можно по приглашению.",
    left_reason="Выход по собственной просьбе.",
    removed_reason="Удаление по команде {user}.",
    not_administrator=(
        "`homeserver.admin` включён, но {bot} не администратор сервера: люди получают приглашения, которые нужно "
        "принять. `agent-bridge doctor` подскажет, что делать."
    ),
    begun="{user} получает приглашения в пространство и в комнаты, в которые оттуда не войти.",
    progress="{user}: пока комнат {done} из {total}.",
    result="{user}: {parts}.",
    nothing="комнат нет",
    space={
        "invited": "приглашение в пространство отправлено",
        "joined": "теперь в пространстве",
        "inside": "уже в пространстве или имеет приглашение",
        "banned": "доступ в пространство заблокирован",
        "powerless": "нет приглашения в пространство: у меня там нет прав",
        "away": "нет приглашения в пространство: сервер пользователя не отвечает",
        "no_role": "нет приглашения в пространство: у пользователя нет роли",
    },
    rooms={
        "invited": "приглашения отправлены: {rooms}",
        "joined": "теперь внутри: {rooms}",
        "inside": "уже внутри или с приглашением: {rooms}",
        "open": "можно войти из пространства: {rooms}",
        "removed": "пропущено, потому что пользователя оттуда удалили: {rooms}",
        "banned": "пропущено, потому что доступ заблокирован: {rooms}",
        "powerless": "пропущено, потому что у меня там нет прав: {rooms}",
        "away": "пропущено, потому что сервер пользователя не отвечает: {rooms}",
        "no_role": "пропущено, потому что у пользователя нет роли: {rooms}",
    },
    failed="Остальное не удалось: {cause}. `{prefix} invite * {typed}` продолжит.",
)
