"""The texts of agent events in Russian."""

from __future__ import annotations

from agent_bridge.i18n.event_texts import EventTexts

RUSSIAN_EVENTS = EventTexts(
    kinds={
        "started": "▶️ *{name}*: начало",
        "progress": "⏳ *{name}*: работа продолжается",
        "result": "✅ *{name}*: готово",
        "error": "⚠️ *{name}*: ошибка",
        "session_summary": "📝 *{name}*: итог сеанса",
    },
    other_kind="🔹 *{name}*: `{kind}`",
    own_kind="🔹 `{kind}`",
    mirrored={
        "started": "▶️ *{name}* отвечает: {room}",
        "result": "✅ *{name}*: ответ готов, {room} ({facts})",
        "error": "⚠️ *{name}*: ошибка, {room} ({facts}): {error}",
    },
    stopped="остановлен",
    room="комната",
    tokens=("токен", "токена", "токенов"),
    accepted="Событие `{kind}` опубликовано.",
    problems={
        "bad_kind": (
            "*{place}* не может быть видом события: в нём до {most} строчных латинских букв, цифр, `_` и `.`, первой "
            "стоит буква."
        ),
        "no_object": "Данные — не объект в фигурных скобках с двоеточием после каждого ключа{at}.",
        "not_json": "Значение не из JSON{at}.",
        "too_large": "Данных слишком много{at}: допустимо {most} байт.",
        "too_many": "Значений слишком много: допустимо {most}{at}.",
        "too_deep": "Объекты и списки вложены слишком глубоко{at}: допустимо {most}.",
        "bad_number": "Число нельзя отправить{at}: оно бесконечно или слишком длинное.",
        "bad_text": "В тексте есть символы, которые нельзя отправить{at}.",
        "not_there": "Вас нет в этой комнате.",
        "not_allowed": "Вы не можете писать в этой комнате.",
    },
    place=" в `{place}`",
    mirrors_all="*{channel}* показывает, когда агенты начинают и заканчивают ответы.",
    mirrors="*{channel}* показывает, когда начинают и заканчивают ответы: {agents}.",
    mirrors_none="*{channel}* не показывает ответы агентов. `{prefix} channel mirror {channel} on` включит это.",
    mirror_ended="*{channel}* больше не показывает ответы агентов.",
    no_log="*{channel}* — не канал типа `log`.",
)
