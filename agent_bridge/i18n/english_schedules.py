"""The texts about schedules in English."""

from __future__ import annotations

from agent_bridge.i18n.schedule_texts import ScheduleTexts

ENGLISH_SCHEDULES = ScheduleTexts(
    told="⏰ Scheduled by {owner} ({when}): {text}",
    told_late="⏰ Scheduled by {owner} ({when}); late, once for {times} since {due}: {text}",
    times_missed=("missed time", "missed times"),
    asks="The person had this message scheduled before, for this time ({when}):",
    asks_late="The person had this message scheduled before ({when}). It is late: it was due at {due}.",
    made="Schedule **{number}** ({when}): *{agent}* is asked at {due}. `{prefix} unschedule {number}` ends it.",
    paused="Schedule **{number}** is paused. `{prefix} resume {number}` has it go on.",
    resumed="Schedule **{number}** goes on at {due}.",
    removed="Schedule **{number}** ({when}) is deleted.",
    problems={
        "which_agent": "Which agent? Name it behind the time: `{prefix} schedule in 20 minutes @agent prompt`.",
        "not_there": "*{name}* is not here, or has no room.",
        "not_a_member": "You are not in the room of *{name}*.",
        "no_prompt": "What is the agent to be asked? `{prefix} schedule in 20 minutes @agent prompt`.",
        "prompt_too_long": "The prompt has more than {most} characters.",
        "too_many": "You have {most} schedules, and can have no more. `{prefix} schedules` lists them.",
        "too_many_in_room": "This room has {most} schedules, and can have no more.",
        "too_often": "That is too often: the shortest interval is {most}.",
        "unknown": "You have no schedule {name}. `{prefix} schedules` lists yours.",
        "over": "The time of the schedule ({name}) is over. `{prefix} schedule` makes a new one.",
    },
    times={
        "empty": "The time is missing.",
        "unknown_word": "I do not understand *{word}* as a part of a time.",
        "no_time": "The day or the time of the day is missing behind *{word}*.",
        "bad_time": "*{word}* is no time of the day.",
        "bad_date": "*{word}* is no day of the calendar.",
        "bad_cron": "*{word}* does not fit cron, which has five fields: minute, hour, day, month, day of the week.",
        "past": "*{word}* is over.",
        "too_far": "*{word}* never comes, or is more than five years away.",
        "repeats": "*{word}* repeats; one moment is needed.",
    },
    examples=(
        "Write, for example, `in 20 minutes`, `tomorrow 9:00`, `2030-12-01 12:00`, `every weekday 9:00`, or "
        "`cron 0 9 * * 1-5`."
    ),
    none="You have no schedules. `{prefix} schedule` makes one.",
    none_of_all="Nobody has schedules.",
    head="Schedules:",
    foot=(
        "`{prefix} pause <number>` pauses one, `{prefix} resume <number>` has it go on, and "
        "`{prefix} unschedule <number>` deletes it."
    ),
    page="Page {page} of {pages}: `{prefix} schedules {following}` shows the next one.",
    next="next: {due}",
    is_paused="paused",
    owner="by {owner}",
    troubles={
        "no_role": "not run: the owner has no role",
        "muted": "not run: the owner is muted",
        "not_in_room": "not run: the owner is not in the room",
        "agent_away": "not run: the agent was not available",
        "broken": "not run: the time or its zone cannot be read any more",
    },
)
