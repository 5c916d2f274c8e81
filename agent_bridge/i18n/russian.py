"""The texts of the bridge in Russian.

Texts address a person as «вы». The bot speaks in the first person only when it greets; all other texts are neutral.
Terms: агент, сообщение, ответ, комната, ветка (thread), сервер (an upstream), домашний сервер (a homeserver),
мост (the bridge), очередь (a lane), снять с обработки (to drop).
"""

from __future__ import annotations

from agent_bridge.i18n.catalogue import Texts
from agent_bridge.i18n.russian_admin import RUSSIAN_ADMIN
from agent_bridge.i18n.russian_commands import RUSSIAN_COMMANDS
from agent_bridge.i18n.russian_contexts import RUSSIAN_CONTEXTS
from agent_bridge.i18n.russian_data import RUSSIAN_DATA
from agent_bridge.i18n.russian_events import RUSSIAN_EVENTS
from agent_bridge.i18n.russian_models import RUSSIAN_MODELS
from agent_bridge.i18n.russian_notifications import RUSSIAN_NOTIFICATIONS
from agent_bridge.i18n.russian_operations import RUSSIAN_OPERATIONS
from agent_bridge.i18n.russian_people import RUSSIAN_PEOPLE
from agent_bridge.i18n.russian_repairs import RUSSIAN_REPAIRS
from agent_bridge.i18n.russian_retirement import RUSSIAN_RETIREMENT
from agent_bridge.i18n.russian_schedules import RUSSIAN_SCHEDULES
from agent_bridge.i18n.russian_servers import RUSSIAN_SERVERS
from agent_bridge.i18n.russian_speech import RUSSIAN_SPEECH
from agent_bridge.i18n.russian_tasks import RUSSIAN_TASKS
from agent_bridge.i18n.russian_threads import RUSSIAN_THREADS
from agent_bridge.i18n.russian_tokens import RUSSIAN_TOKENS
from agent_bridge.i18n.russian_triggers import RUSSIAN_TRIGGERS
from agent_bridge.i18n.russian_usage import RUSSIAN_USAGE
from agent_bridge.i18n.russian_votes import RUSSIAN_VOTES

_TEENS = range(11, 15)
_FEW = range(2, 5)


def _plural(number: int) -> int:
    if number % 100 in _TEENS:
        return 2
    if number % 10 == 1:
        return 0
    return 1 if number % 10 in _FEW else 2


RUSSIAN = Texts(
    plural=_plural,
    agent=("агент", "агента", "агентов"),
    chat=("чат", "чата", "чатов"),
    message=("сообщение", "сообщения", "сообщений"),
    time=("раз", "раза", "раз"),
    failure=("неудача", "неудачи", "неудач"),
    interruption=("прерывание", "прерывания", "прерываний"),
    # Genitive, after «после».
    character=("знака", "знаков", "знаков"),
    page=("страница", "страницы", "страниц"),
    # Accusative, before «назад» and after «заняло».
    day=("день", "дня", "дней"),
    hour=("час", "часа", "часов"),
    minute=("минуту", "минуты", "минут"),
    second=("секунду", "секунды", "секунд"),
    # Dative, after «обратитесь к» and «сообщите».
    an_admin="администратору",
    not_permitted="У вас нет права разговаривать здесь с агентами. Если оно вам нужно, напишите {admin}.",
    unreadable=(
        "Агенты здесь не могут это получить: им доступны текст, изображения и файлы, но не звонки, трансляция "
        "местоположения и пустые сообщения. Пожалуйста, напишите сообщение или отправьте файл."
    ),
    no_command=(
        "Эта комната только для команд. Отправьте `help`, чтобы увидеть их. Чтобы показать что-нибудь агенту, "
        "отправьте это в комнате агента."
    ),
    unknown_target=(
        "Агент не получал исходного сообщения, или оно слишком давнее, поэтому ничего не меняется. "
        "Пожалуйста, отправьте сообщение ещё раз."
    ),
    encrypted=(
        "В этой комнате теперь включено шифрование, а мост не может читать зашифрованные сообщения. "
        "Пожалуйста, пользуйтесь комнатой без шифрования."
    ),
    key_missing=(
        "Я не могу прочитать это сообщение: оно зашифровано, а ключ до меня не дошёл. Если ключ придёт, я отвечу. "
        "Иначе, пожалуйста, отправьте сообщение ещё раз."
    ),
    not_encrypted=(
        "Я отвечаю только на зашифрованные сообщения. Пожалуйста, включите шифрование в настройках этой комнаты или "
        "напишите мне в зашифрованной."
    ),
    other_agent=(
        "В этой комнате отвечает *{agent}*, а вы выбрали агента *{selected}*. Напишите в его комнату или выберите "
        "другого: `{prefix} agent`."
    ),
    select_first="Сначала выберите агента: список покажет `{prefix} agent`. В этой комнате отвечает *{agent}*.",
    full=(
        "Сообщение не принято: в этой комнате уже слишком много сообщений ждут ответа "
        "({limit}). Пожалуйста, отправьте его ещё раз позже."
    ),
    full_all=(
        "Сообщения не приняты: в этой комнате уже слишком много сообщений ждут ответа "
        "({limit}). Пожалуйста, отправьте их ещё раз позже."
    ),
    full_more="- … и ещё {messages}",
    chain_limits={
        "hops": "Агенты спрашивали друг друга подряд, и предел достигнут: {limit}.",
        "pair": "Два агента спрашивали друг друга слишком часто, предел в минуту: {limit}.",
        "turns": "Агенты отвечали на одно сообщение, и предел достигнут: {limit}.",
        "tokens": "Агенты израсходовали токены на одно сообщение, предел: {limit}.",
    },
    chain_resume="Отреагируйте 👍, чтобы они продолжили. 🛑 завершит это.",
    too_large="файл {name} больше {limit}",
    unreadable_kind="мост не умеет читать файлы такого типа: {name} ({kind})",
    not_fetched="не удалось скачать файл {name}: {cause}",
    not_read="не удалось прочитать файл {name}: {cause}",
    not_sent="не удалось отправить файл {name}: {cause}",
    file_problems={
        "too large": "он слишком большой",
        "too many": "в ответе слишком много файлов",
        "too many pixels": "в нём слишком много пикселей",
        "unsupported": "его формат не поддерживается",
        "unreadable": "он повреждён или защищён паролем",
        "no text": "в нём нет текста",
        "too hard": "его чтение требует слишком много времени или памяти",
        "not installed": "документы такого типа здесь не поддерживаются",
        "forbidden": "ссылка на него ведёт на адрес, с которого мост ничего не скачивает",
        "unreachable": "получить его по ссылке не удалось",
        "encrypted": "он зашифрован",
        "damaged": "он зашифрован и не подходит к ключу из сообщения",
    },
    units=("байт", "кБ", "МБ", "ГБ"),
    no_images="агент {agent} не принимает изображения",
    no_voice="голосовые сообщения здесь не поддерживаются",
    cut="текст файла {name} обрезан после {characters}",
    ghost_declines="Ответы я даю в своей комнате, {alias}, а эту покидаю.",
    ghost_invites="Приглашение туда уже отправлено.",
    ghost_is_closed="Если войти туда не получается, напишите {admin} с просьбой о приглашении.",
    ghost_is_direct="Я отвечаю в личных чатах: пожалуйста, начните такой чат со мной. Эту комнату я покидаю.",
    ghost_is_mute="Агенту {agent} нельзя писать в этой комнате, поэтому ответа нет. Пожалуйста, сообщите {admin}.",
    agent_left="Агент {name} больше недоступен. Комната остаётся, но ответов в ней не будет.",
    agent_back="{name} снова на связи.",
    introduction="Меня зовут **{name}**.\n\nИзмените своё сообщение, чтобы изменить вопрос. Реакция 🔁 запрашивает "
    "другой ответ, реакция 🛑 останавливает ответ. Разговор могут читать все участники этой комнаты.",
    introduction_described="Меня зовут **{name}**: {description}\n\nИзмените своё сообщение, чтобы изменить вопрос. "
    "Реакция 🔁 запрашивает другой ответ, реакция 🛑 останавливает ответ. Разговор могут читать все участники этой "
    "комнаты.",
    admin_room_name="Agent Bridge: администраторы",
    rooms_opened="Участники пространства теперь могут входить в комнаты агентов без приглашения. Чтобы снова требовать "
    "приглашения, укажите `join_rule: invite` в разделе `rooms` конфигурации и перезапустите мост.",
    rooms_closed="В комнаты агентов теперь можно войти только по приглашению, как указано в конфигурации "
    "(`rooms.join_rule`).",
    space_strangers="В пространстве есть участники без роли: {people}. Участники пространства могли бы читать все "
    "разговоры, поэтому комнаты агентов для них закрыты. Назначьте им роль в `permissions` и перезапустите мост "
    "или удалите их из пространства; мост сверяет его каждые пять минут.",
    space_open="В пространство может войти любой, и его участники могли бы читать все разговоры, поэтому комнаты "
    "агентов для них закрыты. Разрешите вход в пространство только по приглашению; мост сверяет его каждые пять минут.",
    room_replaced="Мост не может войти в прежнюю комнату {name} (`{room}`): его оттуда удалили или заблокировали. "
    "Он создаёт другую комнату с тем же адресом и в прежней не отвечает.",
    lobby_name="Общая комната",
    lobby_topic="Все агенты. Упомяните одного из них или начните сообщение с его имени.",
    lobby_hello="В этой комнате все агенты. Агент отвечает, если его упомянуть, начать сообщение с его имени или "
    "ответить на его сообщение. В треде он затем отвечает на всё. Разговор видят все участники комнаты.",
    lobby_problems={
        "lobby_unknown": "Комнаты `{room}` из `rooms.lobby` не существует. Исправьте конфигурацию или дайте комнате "
        "этот псевдоним; мост попробует снова сам.",
        "lobby_away": "Сервер комнаты `{room}` из `rooms.lobby` не отвечает. Проверьте имя сервера; мост попробует "
        "снова сам.",
        "lobby_closed": "Бот не может войти в комнату `{room}` из `rooms.lobby`. Пригласите туда `{bot}`; мост "
        "попробует снова сам.",
        "lobby_is_space": "`{room}` из `rooms.lobby` — пространство. Здесь нужна комната.",
        "lobby_taken": "Комната `{room}` из `rooms.lobby` — комната одного агента или чей-то чат. Здесь нужна другая "
        "комната.",
        "lobby_powerless": "Бот не может приглашать агентов в общую комнату `{room}`. Дайте `{bot}` право приглашать "
        "туда; мост попробует снова сам.",
    },
    space_problems={
        "space_unknown": "Псевдонима `{alias}` из `space.alias` не существует, поэтому комнаты не показаны ни в одном "
        "пространстве. Исправьте конфигурацию или дайте пространству этот псевдоним; мост попробует снова сам.",
        "space_closed": "Бот не может войти в пространство `{alias}` из `space.alias`, поэтому комнаты не показаны ни "
        "в одном пространстве. Пригласите туда `{bot}`; мост попробует снова сам.",
        "space_is_room": "`{alias}` из `space.alias` — не пространство, поэтому комнаты не показаны ни в одном "
        "пространстве.",
        "space_powerless": "У бота нет права показывать комнаты в пространстве `{alias}` из `space.alias`. Дайте "
        "`{bot}` право изменять `m.space.child`; мост попробует снова сам.",
    },
    agents_invalid="В списке агентов в конфигурации есть ошибки, поэтому действует последний верный список. Сервер, "
    "который добавлен в config.yaml, учитывается после перезапуска моста.\n\n```\n{faults}\n```",
    no_spaces="Я разговариваю в комнатах, а это пространство. Пригласите меня в одну из его комнат.",
    room_moved="Эта комната заменяет прежнюю. Разговор продолжается здесь.",
    room_lost="комната была удалена",
    agent_removed="агента больше нет в комнате",
    strangers=(
        "В этой комнате есть люди без доступа к агентам: их сообщения агентам не передаются. Ответы агентов им видны."
    ),
    told_problems={
        "encrypted": (
            "Эта комната зашифрована, поэтому {name} не может читать здесь сообщения. Напишите {admin} с "
            "просьбой о другой комнате."
        ),
        "successor_closed": (
            "Эта комната была обновлена, и {name} не может войти в новую. Пригласите туда `{ghost}` и `{bot}`."
        ),
        "ghost_away": "Агента {name} нет в этой комнате, и он не может вернуться: ответов не будет.",
        "ghost_banned": "Агент {name} заблокирован в этой комнате: ответов не будет, пока блокировка не снята.",
        "ghost_suspended": "Учётная запись агента {name} приостановлена: ответов не будет. Сообщите {admin}.",
        "ghost_muted": (
            "Агенту {name} не хватает прав, чтобы писать здесь. Администратор комнаты может изменить его уровень прав."
        ),
    },
    room_problems={
        "encrypted": (
            "зашифрована: задайте encryption_enabled_by_default_for_room_type: off в homeserver.yaml и удалите "
            "комнату, мост создаст другую; или разрешите шифрование (docs/encryption.md)"
        ),
        "not_encrypted": (
            "не зашифрована, и её сообщения отклоняет encryption.require: включите шифрование в настройках комнаты или "
            "удалите её, мост создаст зашифрованную"
        ),
        "successor_closed": "обновлена: пригласите агента и бота в новую комнату",
        "ghost_away": "осталась без агента: он не может войти, возможно, его учётная запись отключена",
        "ghost_banned": "заблокировала агента: снимите блокировку",
        "ghost_muted": "не даёт агенту писать: повысьте его уровень прав",
        "ghost_suspended": "осталась без ответов: учётная запись агента приостановлена на домашнем сервере",
        "bot_away": "осталась без бота моста: он не может войти, команды остаются без ответа",
        "open_door": "впускает людей без модератора: повысьте уровень приглашений до 50",
        "no_displayname": "показывает имя агента только в комнате: сервер отклоняет имена в профилях",
        "no_alias": "не имеет псевдонима, или он принадлежит другой комнате",
        "not_in_space": "не входит в пространство: сервер отклонил запрос",
        "level_stuck": "имеет уровни прав людей, которые не следуют их ролям: мост не может их изменить",
        "state_refused": "сохраняет имя, тему или уровни прав: сервер отклонил изменение",
    },
    silenced={
        "successor_closed": "эта комната была обновлена",
        "ghost_away": "агента нет в этой комнате",
        "ghost_banned": "агент заблокирован в этой комнате",
        "ghost_muted": "агенту не хватает прав, чтобы писать здесь",
        "ghost_suspended": "учётная запись агента приостановлена",
    },
    hello="Здравствуйте! Я бот этого моста. Отправьте `help`, чтобы увидеть мои команды.",
    hello_all="Здравствуйте! Я бот этого моста. Отправьте `{prefix} help`, чтобы увидеть мои команды.",
    hello_chat="Здравствуйте! Я бот этого моста. Напишите сообщение и выберите агента, который будет отвечать в этой "
    "комнате.",
    presence_ready="На связи",
    activities={"answers": "Отвечает", "asks": "Ждёт решения"},
    presence_away="Сервер {upstream} недоступен",
    failed="⚠️ Ответа нет: {cause}.",
    failed_again="⚠️ Ответа нет по той же причине, что и выше.",
    failed_midway="⚠️ Здесь ответ обрывается: {cause}.",
    truncated="Ответ обрезан: агент достиг предела длины.",
    stopped="(остановлено)",
    interrupted="(прервано следующим сообщением)",
    interruption_ends="сообщение, которое прервало ответ, больше его не прерывает",
    rest_as_file="Остальная часть ответа — в файле ниже.",
    retried_edit_past=(
        "На это сообщение уже дан ответ, и разговор с тех пор продолжился, поэтому ответ не изменится. "
        "Чтобы получить новый ответ, отправьте сообщение ещё раз."
    ),
    details="Подробности",
    reasoning="Размышление…",
    thought_for="Размышление заняло {duration}",
    used_tool="Использован инструмент {tool}",
    used_tools="Использовано инструментов: {count} ({tools})",
    asked_for_tools="Запрошено: {tools}",
    quote="В ответ на сообщение от {author}:",
    recap="(Разговор до этого места: сервер мог его потерять.)\n\n{messages}\n\n(Теперь:)",
    attachment="Файл {name}:",
    transcript="Расшифровка голосового сообщения:",
    forms={"sticker": "Стикер:", "location": "Местоположение:", "poll": "Опрос:"},
    other_form="Сообщение типа {type}:",
    dropped="администратор снял это сообщение с обработки",
    too_long="достигнут предел длины, в знаках: {limit}",
    too_slow="достигнут предел времени: {seconds:g} с",
    too_old=("ожидание было слишком долгим: {messages}, {age} назад. Чтобы агент всё же ответил, поставьте реакцию 🔁"),
    agent_gone="агент {agent} больше недоступен",
    agent_unknown="сервер агента {agent} теперь называет агентов иначе, и пока не ясно, какой из них — {agent}",
    agent_gone_named="на сервере {upstream} больше нет агента «{agent}»",
    agent_gone_upstream="на сервере {upstream} больше нет этого агента",
    agent_awaited="ожидается ответ агента",
    agent_silent="агент не ответил за {seconds:g} с",
    agent_unasked="агент получает только вопросы людей и агентов",
    conversation_too_long="разговор слишком длинный для модели этого агента",
    message_too_long="сообщение слишком длинное для модели этого агента",
    bridge_failed="внутренняя ошибка моста",
    bridge_ended="работа моста прерывалась {times}, пока он обрабатывал это сообщение",
    database_failed="сбой базы данных моста",
    numbers_unknown="номера чатов ещё сравниваются с домашним сервером",
    direct_chat_ends="прежний личный чат с агентом ещё не покинут",
    direct_open="нашем чате",
    direct_known="Мы уже разговариваем в {link}. Эту комнату я покидаю.",
    direct_plain="Я не умею читать зашифрованные сообщения. Пишите мне, пожалуйста, в {link} без шифрования. Эту "
    "комнату я покидаю.",
    homeserver_away="домашний сервер недоступен: {said}",
    homeserver_failed="сбой домашнего сервера: {said}",
    homeserver_limits="домашний сервер ограничивает запросы: ждать ещё {seconds} с",
    homeserver_unauthorised="домашний сервер не знает as_token: {said}",
    homeserver_other_names="у домашнего сервера другая регистрация моста: {said}",
    homeserver_refused="домашний сервер отклонил запрос: {said}",
    server_out_of_reach="другой сервер не отвечает: {said}",
    homeserver_invalid="ответ домашнего сервера некорректен: верен ли адрес?",
    agents_server="агента {agent}",
    upstream_misfit="мост не может пользоваться сервером {upstream} при его нынешней настройке",
    upstream_busy="сервер {upstream} занят ({status})",
    upstream_failed="сбой сервера {upstream} ({status})",
    upstream_refused="сервер {upstream} отклонил запрос ({status})",
    upstream_no_path="на сервере {upstream} нет пути запроса ({status})",
    upstream_no_credit="на счёте сервера {upstream} не осталось средств",
    question_flagged="сервер {upstream} не хочет отвечать на это сообщение",
    upstream_no_images="сервер {upstream} отклонил запрос ({status}): возможно, модель агента не принимает изображения",
    upstream_redirects="сервер {upstream} перенаправляет на другой адрес ({status}): укажите этот адрес в его url",
    upstream_key="сервер {upstream} не принимает api_key ({status})",
    list_failed="сервер {upstream} сообщил об ошибке вместо списка агентов",
    upstream_no_list=(
        "на сервере {upstream} нет списка агентов ({status}): верен ли его url? Обычно он заканчивается на /v1"
    ),
    upstream_away="не удалось связаться с сервером {upstream}",
    upstream_away_within="не удалось связаться с сервером {upstream} за {seconds:g} с",
    upstream_ca_file="файл ca_file сервера {upstream} не читается",
    upstream_certificate="сертификат сервера {upstream} не заслуживает доверия: верен ли его ca_file?",
    upstream_unusable="url или заголовок сервера {upstream} недопустим",
    upstream_no_http="сервер {upstream} отвечает не по протоколу HTTP",
    upstream_encoding="сервер {upstream} присылает ответы в кодировке, которую мост не запрашивал",
    upstream_no_tls="сервер {upstream} отвечает не по протоколу TLS: возможно, его url начинается с http://",
    upstream_perhaps_http=(
        "не удалось связаться с сервером {upstream} за {seconds:g} с: возможно, его url начинается с http://"
    ),
    upstream_perhaps_https="сервер {upstream} не прислал ответ HTTP: возможно, его url начинается с https://",
    upstream_command="сервер {upstream} не выполнил команду",
    upstream_no_websocket=(
        "у сервера {upstream} нет WebSocket по адресу /ws ({status}): его url — это адрес, который выводит letta server"
    ),
    upstream_origin=(
        "сервер {upstream} отклоняет WebSocket ({status}): возможно, прокси или ключ headers добавляет Origin"
    ),
    upstream_upgrade=(
        "сервер {upstream} отклоняет WebSocket ({status}): у него другая версия протокола; нужна другая версия Letta "
        "или kind: openai"
    ),
    letta_version=(
        "сервер {upstream} использует версию {version} протокола App Server, а мост — версию 1; нужна версия Letta с "
        "этим протоколом или kind: openai"
    ),
    letta_lacks=(
        "серверу {upstream} не хватает возможностей, которые нужны мосту: {capabilities}; нужна новейшая версия Letta "
        "или kind: openai"
    ),
    letta_not_accepted="сервер {upstream} пока не принимает сообщение",
    letta_interrupted="соединение прервалось после того, как агент применил инструмент: ответ может быть неполным",
    letta_large_event=(
        "сервер закрыл соединение, потому что аргументы или результат инструмента больше {limit} МБ: ответ может быть "
        "неполным"
    ),
    decision_unanswered="сервер {upstream} не ответил после решения об инструменте: ответ неполный",
    letta_decided_elsewhere="сервер {upstream} не дождался решения об инструменте: ответ неполный",
    begun_elsewhere="{upstream} был другого типа, когда начался ответ: агент мог применить инструменты",
    approval_closed="сервер {upstream} больше не ждёт решения",
    approval_asked="{agent} хочет применить инструмент `{tool}`.",
    approval_how="✅ разрешает, ❌ запрещает. Без решения через {duration} это считается запретом.",
    approval_always=(
        "♾️ администратора разрешает и в дальнейшем, для всех агентов и комнат того же сервера: «{offer}»; "
        "у остальных это то же, что ✅."
    ),
    approval_allowed="{person} разрешает инструмент `{tool}`.",
    approval_always_allowed="{person} разрешает инструмент `{tool}` и в дальнейшем такие вызовы всех агентов сервера.",
    approval_denied="{person} запрещает инструмент `{tool}`.",
    approval_expired="Решения об инструменте `{tool}` не было (время: {duration}): это считается запретом.",
    approval_withdrawn="Агент больше не просит инструмент `{tool}`.",
    approval_arguments="Аргументы",
    approval_hidden="не показано байтов: {bytes} или больше",
    approval_by_person="запрещено пользователем {person}",
    approval_by_rule="этот инструмент не разрешён",
    approval_no_answer="вовремя никто не принял решения",
    upstream_closed="сервер {upstream} закрыл соединение без ответа",
    upstream_slow="сервер {upstream} не ответил за {seconds:g} с",
    upstream_silent="сервер {upstream} ничего не присылал {seconds:g} с",
    upstream_cut="соединение с сервером {upstream} прервалось",
    upstream_bytes="ответ сервера {upstream} слишком велик, предел в байтах: {limit}",
    upstream_web_page="сервер {upstream} ответил веб-страницей: верен ли его url?",
    upstream_event="событие потока слишком велико, предел в байтах: {limit}",
    voice_no_path="сервер {upstream} не расшифровывает голосовые сообщения ({status}): верна ли transcription_model?",
    voice_invalid="ответ сервера {upstream} не является расшифровкой",
    voice_type="тип записи недопустим",
    speech_no_path="сервер {upstream} не озвучивает тексты ({status}): верна ли speech_model?",
    speech_invalid="ответ сервера {upstream} не является записью",
    list_web_page=(
        'сервер {upstream} ответил на GET /models веб-страницей вместо {{"data": [{{"id": …}}]}}; '
        "верен ли его url? Обычно он заканчивается на /v1"
    ),
    list_no_json=(
        'сервер {upstream} ответил на GET /models текстом не в формате JSON вместо {{"data": [{{"id": …}}]}}; '
        "верен ли его url? Обычно он заканчивается на /v1"
    ),
    list_value_too_long=(
        "сервер {upstream} ответил на GET /models, и одно из значений длиннее миллиона знаков: нет ли в нём картинки?"
    ),
    list_no_list=(
        'сервер {upstream} ответил на GET /models данными JSON без списка моделей вместо {{"data": [{{"id": …}}]}}; '
        "верен ли его url? Обычно он заканчивается на /v1"
    ),
    list_no_ids=(
        "сервер {upstream} ответил на GET /models списком, в котором ни у одной записи нет id, "
        'вместо {{"data": [{{"id": …}}]}}; верен ли его url? Обычно он заканчивается на /v1'
    ),
    list_no_rest=(
        "на сервере {upstream} нет списка агентов по адресу /v1/agents/ ({status}): для kind: letta_v1 нужен url Letta "
        "Cloud или сервера Letta 0.16, а для App Server — kind: letta"
    ),
    list_repeats="сервер {upstream} перечисляет на каждой странице одних и тех же агентов",
    history_repeats="сервер {upstream} возвращает на каждой странице одни и те же сообщения",
    list_pages="в списке агентов сервера {upstream} слишком много страниц, предел: {limit}",
    list_no_card=(
        "на сервере {upstream} нет карточки агента ({status}): для kind: a2a нужен url карточки или сервера, у "
        "которого она есть по адресу /.well-known/agent-card.json"
    ),
    a2a_no_interface="в карточке агента {upstream} нет адреса для JSON-RPC с версией A2A 1.0 или 0.3",
    a2a_other_host=(
        "карточка агента {upstream} называет адрес на сервере {host} или адрес без TLS; сервер, которому можно "
        "передать ключ, надо добавить в trusted_hosts"
    ),
    a2a_no_result="ответ сервера {upstream} не соответствует A2A",
    a2a_wrong_id="сервер {upstream} прислал ответ на другой запрос",
    a2a_version="сервер {upstream} не поддерживает версию A2A, которую называет карточка его агента",
    a2a_content="сервер {upstream} не принимает такие сообщения, например с картинками",
    a2a_task_gone="сервер {upstream} больше не знает этого ответа",
    a2a_unclear="сервер {upstream}, возможно, получил сообщение, но не сообщает об этом; повторно оно не отправлено",
    a2a_asks_silently="сервер {upstream} ждёт ещё одного сообщения и не говорит, какого",
    answer_problem="сервер {upstream} сообщил об ошибке",
    answer_characters="ответ сервера {upstream} слишком длинный, предел в знаках: {limit}",
    answer_no_completion="ответ сервера {upstream} не является ответом модели",
    answer_no_json="сервер {upstream} прислал фрагмент ответа не в формате JSON",
    answer_cut="сервер {upstream} оборвал ответ",
    answer_filtered="сервер {upstream} не закончил ответ: его остановил фильтр содержимого",
    answer_error="сервер {upstream} не закончил ответ: он сообщил об ошибке",
    answer_aborted="сервер {upstream} не закончил ответ: он прервал его",
    run_unknown="сервер {upstream} не знает ответа, который надо прервать",
    run_goes_on="сервер {upstream} не прервал ответ",
    empty="ответ сервера {upstream} пуст",
    empty_tool="сервер {upstream} ответил только вызовом инструмента, а у этого моста инструментов нет",
    empty_length="сервер {upstream} достиг предела длины до начала ответа",
    empty_work="сервер {upstream} обработал сообщение, но не дал ответа",
    empty_end="сервер {upstream} завершил работу без ответа: так бывает, если разговор слишком длинный",
    try_again="Чтобы попробовать ещё раз, поставьте реакцию 🔁.",
    try_later="Сервер просит подождать: попробуйте ещё раз позже.",
    look_at_server="Пожалуйста, сообщите {admin}.",
    look_at_config="Пожалуйста, сообщите {admin}.",
    shorten="Сократите разговор или начните ветку.",
    send_less="Отправьте сообщение короче.",
    say_otherwise="Скажите это другими словами.",
    waits_for_upstream="⏳ {cause}. Сообщение ждёт агента {agent}.",
    ask_for_less="Попросите ответить короче.",
    ask_another="Других агентов покажет `{prefix} agent`, а об этом напишите {admin}.",
    commands=RUSSIAN_COMMANDS,
    contexts=RUSSIAN_CONTEXTS,
    usage=RUSSIAN_USAGE,
    people=RUSSIAN_PEOPLE,
    repairs=RUSSIAN_REPAIRS,
    operations=RUSSIAN_OPERATIONS,
    speech=RUSSIAN_SPEECH,
    retirement=RUSSIAN_RETIREMENT,
    tokens=RUSSIAN_TOKENS,
    admin=RUSSIAN_ADMIN,
    triggers=RUSSIAN_TRIGGERS,
    schedules=RUSSIAN_SCHEDULES,
    servers=RUSSIAN_SERVERS,
    votes=RUSSIAN_VOTES,
    tasks=RUSSIAN_TASKS,
    notifications=RUSSIAN_NOTIFICATIONS,
    events=RUSSIAN_EVENTS,
    threads=RUSSIAN_THREADS,
    models=RUSSIAN_MODELS,
    data=RUSSIAN_DATA,
)
