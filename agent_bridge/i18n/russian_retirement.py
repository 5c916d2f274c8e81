"""The texts about agents that are retired, in Russian."""

from __future__ import annotations

from agent_bridge.i18n.retirement_texts import RetirementTexts

RUSSIAN_RETIREMENT = RetirementTexts(
    state="отправлен на покой",
    retired="Агент *{agent}* отправлен на покой: его комнаты больше нет в пространстве. Вернуть: `{command}`.",
    asked=(
        "Удалить комнату агента *{agent}* для всех, вместе с историей? Отправьте `{prefix} yes` или поставьте ✅ в "
        "течение десяти минут."
    ),
    confirmed="Комната агента *{agent}* удаляется. Новую создаст `{command}`.",
    back="Агент *{agent}* вернулся.",
    not_listed="Агент *{agent}* больше не на покое, но на его сервере его нет. Он вернётся, когда появится там.",
    not_retired="Агент *{agent}* не на покое.",
    not_deleted=(
        "Комната агента *{agent}* убрана, но не удалена: у `{bot}` нет прав администратора сервера, или сервер отказал."
    ),
)
