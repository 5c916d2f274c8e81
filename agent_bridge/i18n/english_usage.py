"""The texts about the use of tokens and money in English."""

from __future__ import annotations

from agent_bridge.i18n.usage_texts import UsageTexts

ENGLISH_USAGE = UsageTexts(
    request=("request", "requests"),
    token=("token", "tokens"),
    thousand="1,000.00",
    used_up={
        "user": "You have used your {limit} {period}.",
        "role": "The budget of all users with the role *{role}* {period} is used up: {limit}.",
        "room": "The budget of this room {period} is used up: {limit}.",
        "agent": "The budget of **{agent}** {period} is used up: {limit}.",
        "upstream": "The budget of the server of **{agent}** {period} is used up: {limit}.",
    },
    too_many={
        "user": "You may send {messages} a minute.",
        "role": "All users with the role *{role}* together may send {messages} a minute.",
        "room": "This room may have {messages} a minute.",
        "agent": "**{agent}** takes {messages} a minute.",
        "upstream": "The server of **{agent}** takes {messages} a minute.",
    },
    for_period={"day": "for today", "month": "for this month"},
    goes_on="Try again {moment}.",
    never="A quota does not allow this message. {admin} can change that.",
    soon="in {duration}",
    at_time="at {time} ({zone})",
    tomorrow="tomorrow at {time} ({zone})",
    on_day="on {day} {month} ({zone})",
    months=(
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
    head_own="You, {period}: {sums}",
    head_user="*{user}*, {period}: {sums}",
    head_all="All people, {period}: {sums}",
    in_period={"day": "today", "month": "this month"},
    of_limit="{used} of {limit}",
    line="{number}. {name}: {sums}",
    line_more="… and {count} more",
    estimated="≈ Servers reported no tokens of {requests}: they are estimated.",
    nothing="nothing",
)
