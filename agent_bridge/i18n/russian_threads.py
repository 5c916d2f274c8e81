"""The texts about threads in Russian."""

from __future__ import annotations

from agent_bridge.i18n.thread_texts import ThreadTexts

RUSSIAN_THREADS = ThreadTexts(
    # Accusative, after «покажет».
    thread=("ветку в архиве", "ветки в архиве", "веток в архиве"),
    title="🧵 **{name}**",
    title_archived="🧵 **{name}** (в архиве)",
    problems={
        "no_name": "Не хватает названия: `{prefix} thread new` и название.",
        "long_name": "Название слишком длинное: до {most} знаков.",
        "too_many": "В этой комнате уже {most} веток с названиями, больше быть не может.",
        "which": "Какая ветка? Напишите это в ветке или ответом на сообщение из неё.",
        "unnamed": "У этой ветки ещё нет названия. `{prefix} thread new` и название даст его.",
        "no_root": "С этого сообщения ветка начаться не может.",
        "not_yours": "Менять ветку могут тот, кто дал ей название, и модераторы.",
        "not_permitted": "Вы не можете создавать здесь ветки.",
        "in_use": "В этой ветке только что написали, поэтому она остаётся.",
        "bad_page": "`{prefix} thread list` покажет ветки, `{prefix} thread list archived` — ветки в архиве.",
    },
    changed={
        "made": "Ветка {thread} готова.",
        "named": "Теперь эта ветка называется {thread}.",
        "renamed": "Теперь ветка называется {thread}.",
        "archived": "Ветка {thread} в архиве. Следующее сообщение в ней вернёт её.",
    },
    head="Ветки с названиями, последние по времени первыми:",
    head_archived="Ветки в архиве:",
    none="Здесь нет веток с названиями. `{prefix} thread new` и название начнёт ветку.",
    none_archived="Веток в архиве здесь нет.",
    others="`{prefix} thread list archived` покажет {threads}.",
    page="Страница {page} из {pages}. `{prefix} {command}` покажет следующую.",
    by="от {user}",
)
