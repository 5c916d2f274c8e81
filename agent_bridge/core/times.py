"""Moments as people type them, in English and Russian: ``18:00``, ``tomorrow 9:00``, ``2026-12-01``, ``in 2 hours``."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from agent_bridge.core.durations import parse_duration

#: Words that stand before a length of time, and before the time of a day.
_IN = re.compile(r"(?:in|через)\s+")
_AT = re.compile(r"(?:at|в|во)\s+")
_CLOCK = re.compile(r"(?P<hour>\d{1,2})(?:[:.](?P<minute>\d{2}))?\s*(?P<half>am|pm|a\.m\.|p\.m\.)?")
_ISO = re.compile(r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})(?:t(?=\d)|\s+|\Z)")
_DOTTED = re.compile(r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})(?:\s+|\Z)")
_WORD = re.compile(r"[^\W\d_]+")
#: Days from today.
_DAYS = {
    "today": 0,
    "tomorrow": 1,
    "сегодня": 0,
    "завтра": 1,
    "послезавтра": 2,
}
#: Days of the week: English names, perhaps short, and Russian ones without their endings, which depend on the sentence.
_ENGLISH = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_RUSSIAN = ("понедельник", "вторник", "сред", "четверг", "пятниц", "суббот", "воскресень")
_WEEKDAY = re.compile(
    r"(?:on\s+)?(?P<english>mon(?:day)?|tue(?:s|sday)?|wed(?:nesday)?|thu(?:rs|rsday)?|fri(?:day)?|sat(?:urday)?"
    rf"|sun(?:day)?)\b|(?:во?\s+)?(?P<russian>{'|'.join(_RUSSIAN)})\w{{0,2}}\b"
)
_NOON = 12


def parse_moment(text: str, now: datetime) -> datetime | None:
    """Return the moment that *text* means at *now*, in the time zone of *now*; None if it means none.

    A time of the day alone is the next such time; a day alone lasts until its end. A local time that the change to
    summer time skips is the same number of minutes after the change; of one that comes twice, the first counts.
    """
    words = " ".join(text.lower().split())
    behind = _IN.match(words)
    seconds = parse_duration(words[behind.end() :] if behind else words)
    if seconds is not None:
        return (now.astimezone(UTC) + timedelta(seconds=seconds)).astimezone(now.tzinfo)
    try:
        return None if behind else _on_a_day(words, now)
    except (ValueError, OverflowError):
        # No such day, or one that no calendar has.
        return None


def _on_a_day(words: str, now: datetime) -> datetime | None:
    day, rest = _day(words, now.date())
    if day is not None and not rest:
        return _there(day + timedelta(days=1), time(), now)
    at = _AT.match(rest)
    clock = _clock(rest[at.end() :] if at else rest)
    if clock is None:
        return None
    there = _there(day or now.date(), clock, now)
    return there if day is not None or there > now else _there(now.date() + timedelta(days=1), clock, now)


def _day(words: str, today: date) -> tuple[date | None, str]:
    """Return the day that *words* begin with, None without one, and the words behind it."""
    for form in (_ISO, _DOTTED):
        if (found := form.match(words)) is not None:
            return date(int(found["year"]), int(found["month"]), int(found["day"])), words[found.end() :].strip()
    if (weekday := _WEEKDAY.match(words)) is not None:
        english = weekday["english"]
        number = _RUSSIAN.index(weekday["russian"]) if english is None else _ENGLISH.index(english[:3])
        # The same weekday is the one a week from now.
        return today + timedelta(days=(number - today.weekday() - 1) % 7 + 1), words[weekday.end() :].strip()
    word = _WORD.match(words)
    if word is not None and word[0] in _DAYS:
        return today + timedelta(days=_DAYS[word[0]]), words[word.end() :].strip(" ,")
    return None, words


def _clock(words: str) -> time | None:
    found = _CLOCK.fullmatch(words)
    if found is None or (found["minute"] is None and found["half"] is None):
        return None
    hour, minute = int(found["hour"]), int(found["minute"] or 0)
    if found["half"]:
        if not 1 <= hour <= _NOON:
            return None
        hour = hour % _NOON + (_NOON if found["half"].startswith("p") else 0)
    return time(hour, minute)


def _there(day: date, clock: time, now: datetime) -> datetime:
    """Return the moment of a local time, which exists once: the way through UTC moves one that was skipped."""
    return datetime.combine(day, clock, now.tzinfo).astimezone(UTC).astimezone(now.tzinfo)
