"""The texts of notifications in English."""

from __future__ import annotations

from agent_bridge.i18n.notification_texts import NotificationTexts

ENGLISH_NOTIFICATIONS = NotificationTexts(
    kinds={
        "task_assigned": "📋 Task **{task}** is assigned to you by {by}: *{title}*",
        "vote_closed": "🗳️ The vote *{question}* is closed: {result}",
        "schedule_missed": "⏰ Schedule **{schedule}** missed its time {due}: *{prompt}*",
        "approval_waiting": "✋ *{agent}* waits for your decision whether it may use `{tool}`.",
        "quota_reached": "📈 A limit is reached, and *{agent}* did not get your message. {text}",
    },
    room="({link})",
    room_link="room",
    foot="`{prefix} notify off` ends these messages.",
    on="I tell you in our chat of tasks, votes, schedules, decisions that wait for you, and limits.",
    off="I do not notify you any more. `{prefix} notify on` undoes it.",
    is_on="Notifications are on: I tell you in our chat of tasks, votes, schedules, decisions that wait, and limits.",
    is_off="Notifications are off. `{prefix} notify on` switches them on.",
)
