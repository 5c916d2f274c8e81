"""The texts about servers and channels in Russian."""

from __future__ import annotations

from agent_bridge.i18n.server_texts import ServerTexts

RUSSIAN_SERVERS = ServerTexts(
    # Instrumental, after «вместе с».
    channel=("каналом", "каналами", "каналами"),
    problems={
        "which_server": "Какое сообщество? Укажите номер или название: `{prefix} server` покажет список.",
        "which_channel": "Какой канал? Укажите название: `{prefix} channel` покажет список.",
        "no_server": "Сообщества *{name}* нет. `{prefix} server` покажет список.",
        "no_channel": "Канала *{name}* нет. `{prefix} channel` покажет список.",
        "several": "Каналов с названием *{name}* несколько. Укажите и сообщество (`сообщество/канал`) или номер из "
        "списка (`сообщество/2`, `#2`).",
        "no_name": "Не хватает названия.",
        "bad_name": "*{name}* не подходит как название: до {most} знаков, без косой черты, не число.",
        "taken": "Название *{name}* занято.",
        "too_many_servers": "Сообществ уже {most}, больше быть не может.",
        "too_many_channels": "Каналов уже {most}, больше быть не может.",
        "no_field": "Какое свойство *{name}*? `name`, `description` или `icon`, затем значение.",
        "bad_icon": "*{name}* не изображение на домашнем сервере: адрес начинается с `mxc://`.",
        "no_position": "Какое место дать каналу *{name}*? Мест в списке {most}.",
        "silent": "В *{name}* агенты писать не могут, поэтому добавить их нельзя.",
        "bad_position": "*{name}* не место в списке: мест в нём {most}.",
        "not_ready": "Комната *{name}* создаётся. Повторите чуть позже.",
        "no_agent": "Какой агент? `{prefix} channel add` и его имя.",
        "not_entered": "Агент *{name}* не может войти в канал. Возможно, его оттуда удалили.",
        "outside": "Вас нет в *{name}*.",
        "closed": "В *{name}* можно войти только по приглашению.",
        "powerless": "Домашний сервер не разрешает сделать это в *{name}*.",
    },
    server_made=(
        "Сообщество **{number}** {room} готово, оно принадлежит вам. `{prefix} channel new {number}/название` создаст "
        "в нём канал."
    ),
    no_servers="Сообществ нет. `{prefix} server new` и название создаст его (администраторы).",
    servers_head="Сообщества:",
    servers_foot="`{prefix} server join <номер>` впустит вас.",
    server_roles={
        "none": "без роли",
        "agent": "агент",
        "member": "участник",
        "moderator": "модератор",
        "admin": "администратор",
        "owner": "владелец",
    },
    owner="владелец {user}",
    joined={
        "invited": "Вам отправлено приглашение в {room}.",
        "joined": "Теперь вы в {room}.",
        "inside": "Вы уже в {room}.",
    },
    left="Вы вышли из *{name}*. `{prefix} server join` и название впустит вас снова.",
    updated={
        "name": "Теперь сообщество называется *{value}*.",
        "description": "Описание *{name}*: {value}",
        "icon": "У *{name}* теперь это изображение.",
    },
    taken_away={
        "name": "Не хватает названия.",
        "description": "У *{name}* больше нет описания.",
        "icon": "У *{name}* больше нет изображения.",
    },
    ask_server=(
        "Удалить сообщество *{name}* вместе с {channels}, для всех и навсегда? `{prefix} {command}` сделает это."
    ),
    ask_channel="Удалить канал *{name}*, для всех и навсегда? `{prefix} {command}` сделает это.",
    server_deleted="Сообщество *{name}* и его каналы удаляются.",
    channel_deleted="Канал *{name}* удаляется.",
    channel_made="Канал {room} готов.",
    channel_made_in="Канал {room} готов в *{server}*.",
    no_channels="Каналов нет. `{prefix} channel new` и название создаст канал (администраторы).",
    channels_head="Каналы:",
    channels_head_of="Каналы *{server}*:",
    channels_foot="В них входят из пространства.",
    types={"announcement": "объявления", "log": "журнал агентов", "voice": "голосовой, пока не работает"},
    voice="Этот канал отведён для голоса. Говорить здесь агенты и люди пока не могут.",
    changed={
        "renamed": "Канал *{name}* теперь называется *{value}*.",
        "topic": "Тема *{name}*: {value}",
        "moved": "Канал *{name}* теперь на месте {value}.",
    },
    no_topic="У канала *{name}* больше нет темы.",
    added="*{agent}* теперь в *{channel}* и отвечает тем, кто к нему обращается.",
    not_ready="создаётся",
    powerless=(
        "Комнату *{name}* обновили, и в новой у меня нет прав. Дайте там `{bot}` уровень прав 100, чтобы названия, "
        "роли, агенты и место в пространстве оставались в порядке."
    ),
)
