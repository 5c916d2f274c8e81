"""The texts about conversations with agents in Russian."""

from __future__ import annotations

from agent_bridge.i18n.context_texts import ContextTexts

RUSSIAN_CONTEXTS = ContextTexts(
    instructed="(Указания для этого разговора: {instructions})",
    uninstructed="(Прежние указания для этого разговора больше не действуют.)",
    begun="**{agent}** начинает заново. `{prefix} load` вернёт прежний разговор.",
    refused={
        "no_agent": "Пожалуйста, ответьте этой командой на сообщение агента: в комнате их несколько.",
        "unnamed": "В комнате несколько агентов. Пожалуйста, напишите имя одного из них после команды.",
        "absent": "Агента **{agent}** нет в этой комнате.",
        "no_upstream": "Агент **{agent}** больше недоступен.",
        "one_memory": (
            "Сервер агента **{agent}** хранит одну память на все комнаты, поэтому здесь нельзя начать или загрузить "
            "разговор."
        ),
        "no_copies": (
            "Сервер агента **{agent}** сам хранит разговор и не умеет его копировать. `{prefix} reset` начинает новый, "
            "`{prefix} load` возвращает прежний."
        ),
        "no_models": "Сервер агента **{agent}** сам выбирает модель.",
        "empty": "Пока не сказано ничего, что можно было бы сохранить.",
        "name_taken": "*{name}* уже есть. `{prefix} forget {typed}` удалит его.",
        "number": "Одно число не может быть названием.",
        "too_many": "Вы сохранили {most} разговоров, больше нельзя. `{prefix} forget` удалит один из них.",
        "unknown": "Сохранённого разговора *{name}* нет. Их список: `{prefix} saves`.",
        "similar": "Сохранённого разговора *{name}* нет. Может быть, *{nearest}*?",
        "unknown_model": "Модели *{name}* на сервере нет. Их список: `{prefix} model`.",
        "similar_model": "Модели *{name}* на сервере нет. Может быть, *{nearest}*?",
        "gone": "Тем временем его удалили.",
        "no_history": "Сервер агента **{agent}** не сообщает прежних сообщений.",
        "not_begun": "В здешнем разговоре с агентом **{agent}** нет прежних сообщений.",
    },
    report_bridge="**{agent}** получит до следующего: {messages}, примерно {tokens} из {budget} токенов.",
    report_server="**{agent}** получит только следующее сообщение: разговор ({messages}) помнит его сервер.",
    report_empty="В этом разговоре пока ничего не сказано.",
    report_began="Начат {age} назад.",
    report_model="Модель: `{model}`",
    report_prompt="Системное сообщение: {prompt}",
    report_instructions="Указания: {prompt}",
    report_no_prompt="Системного сообщения нет.",
    instructions_set="**{agent}** теперь следует здесь этим указаниям.",
    instructions_off="У агента **{agent}** здесь больше нет указаний.",
    instructions_now="Указания для агента **{agent}** здесь: {instructions}",
    instructions_none="У агента **{agent}** здесь нет указаний. Дать их можно так: `{prefix} instructions <text>`.",
    model_set="Агент **{agent}** теперь отвечает здесь моделью `{model}`.",
    models="Модели для агента **{agent}** здесь:",
    models_how="`{prefix} model <name>` меняет модель для этой комнаты. ✓ отмечает нынешнюю.",
    saved="Сохранено под названием *{name}*. `{prefix} load` вернёт разговор.",
    list_head="Разговоры с агентом **{agent}**:",
    list_head_renewed="Тот список устарел. Сейчас есть такие разговоры с агентом **{agent}**:",
    list_empty="Сохранённых разговоров с агентом **{agent}** нет. `{prefix} save` сохранит нынешний.",
    list_saved="{number}. **{name}**: {messages}, сохранён {age} назад",
    list_ended="{number}. {messages}, окончен {age} назад",
    list_more="… и ещё {count} более старых",
    list_how="Чтобы продолжить один из них, отправьте его номер или `{prefix} load <name>`.",
    loaded="**{agent}** продолжает *{name}*: {messages}. Разговор до этого есть в списке `{prefix} load`.",
    loaded_ended="**{agent}** продолжает прежний: {messages}. Разговор до этого есть в списке `{prefix} load`.",
    forgotten="*{name}*: удалено.",
    imported_name="Вы (импорт)",
    importing="Читаются прежние сообщения агента **{agent}**…",
    import_progress="Импортировано {done}, всего {messages}…",
    imported="Импортировано: {messages}.",
    imported_none="Прежних сообщений для импорта нет.",
    imported_known="Уже были здесь: {count}.",
    import_failed="Импорт прерван: {cause}. `{prefix} import` продолжит его.",
)
