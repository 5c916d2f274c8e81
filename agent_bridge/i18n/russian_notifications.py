"""The texts of notifications in Russian."""

from __future__ import annotations

from agent_bridge.i18n.notification_texts import NotificationTexts

RUSSIAN_NOTIFICATIONS = NotificationTexts(
    kinds={
        "task_assigned": "📋 {by} поручает вам задачу **{task}**: *{title}*",
        "vote_closed": "🗳️ Голосование *{question}* завершено: {result}",
        "schedule_missed": "⏰ Расписание **{schedule}** пропустило своё время {due}: *{prompt}*",
        "approval_waiting": "✋ *{agent}* ждёт вашего решения, можно ли использовать `{tool}`.",
        "quota_reached": "📈 Предел достигнут, и *{agent}* не получил вашего сообщения. {text}",
    },
    room="({link})",
    room_link="комната",
    foot="`{prefix} notify off` отключает эти сообщения.",
    on="В нашем чате я сообщаю вам о задачах, голосованиях, расписаниях, решениях, которых от вас ждут, и пределах.",
    off="Я больше не присылаю вам уведомлений. `{prefix} notify on` включит их снова.",
    is_on="Уведомления включены: в нашем чате я сообщаю о задачах, голосованиях, расписаниях, решениях и пределах.",
    is_off="Уведомления отключены. `{prefix} notify on` включит их.",
)
