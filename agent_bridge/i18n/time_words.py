"""The words by which people tell moments and repetitions, in all languages, in lower case."""

from __future__ import annotations


def _numbered(*words: str) -> dict[str, int]:
    """Return the number of each word: *words* are the words for 0, 1 and so on."""
    return {word: number for number, group in enumerate(words) for word in group.split()}


#: Before a time of the day, and before a day.
AT = frozenset(["at", "@", "в"])
ON = frozenset(["on", "в", "во"])
#: Without a meaning of their own.
NOISE = frozenset(["the", "of", "день", "дни", "года", "г"])
AND = frozenset(["and", "&", ",", "и"])
NEXT = frozenset(["next", "следующий", "следующую", "следующее"])
#: Before a length of time.
IN = frozenset(["in", "через"])
#: In place of the number 1, and the half of a unit.
ONE, HALF = frozenset(["a", "an", "one", "один", "одну", "одна"]), frozenset(["half"])
HALF_AN_HOUR = frozenset(["полчаса"])
ONE_AND_A_HALF = frozenset(["полтора", "полторы"])
#: Before a thing that repeats.
EVERY = frozenset(["every", "each", "каждый", "каждую", "каждое", "каждые", "каждого", "каждой"])
EACH_ON = frozenset(["по"])
#: Whole phrases in one word: a day, an hour, a week, a month that repeats.
DAILY = frozenset(["daily", "ежедневно"])
HOURLY = frozenset(["hourly", "ежечасно"])
WEEKLY = frozenset(["weekly", "еженедельно"])
MONTHLY = frozenset(["monthly", "ежемесячно"])
#: Things that repeat, and are no length of time.
DAY = frozenset(["day", "день", "дни", "дням"])
MONTH = frozenset(["month", "месяц", "месяца"])
#: Groups of days, as numbers of cron.
WORKDAYS = frozenset(["weekday", "weekdays", "workday", "workdays"]) | frozenset(
    ["будний", "будние", "будним", "будни", "будням", "рабочий", "рабочие", "рабочим"]
)
WEEKEND = frozenset(["weekend", "weekends", "выходной", "выходные", "выходным"])
#: Groups that repeat without a word such as *every*.
PLURAL_GROUPS = frozenset(["weekdays", "workdays", "weekends", "будни", "будние", "рабочие"])
#: The numbers of cron: Sunday is 0.
WEEKDAYS = _numbered(
    "sunday sundays sun вс воскресенье воскресеньям воскресенья",
    "monday mondays mon пн понедельник понедельникам понедельника",
    "tuesday tuesdays tue tues вт вторник вторникам вторника",
    "wednesday wednesdays wed ср среда среду средам среды",
    "thursday thursdays thu thurs чт четверг четвергам четверга",
    "friday fridays fri пт пятница пятницу пятницам пятницы",
    "saturday saturdays sat сб суббота субботу субботам субботы",
)
#: January is 1.
MONTHS = _numbered(
    "",
    "january jan января янв",
    "february feb февраля фев",
    "march mar марта мар",
    "april apr апреля апр",
    "may мая",
    "june jun июня июн",
    "july jul июля июл",
    "august aug августа авг",
    "september sep sept сентября сен сент",
    "october oct октября окт",
    "november nov ноября ноя",
    "december dec декабря дек",
)
#: Days from now.
DAYS_FROM_NOW = {"today": 0, "сегодня": 0, "tomorrow": 1, "завтра": 1, "послезавтра": 2}
#: Behind the number of a day of the month.
DAY_OF_MONTH = frozenset(["числа", "число", "day"])
#: Hours of the clock, and minutes.
CLOCK_WORDS = {"noon": 12, "полдень": 12, "полудня": 12, "midnight": 0, "полночь": 0, "полуночи": 0}
#: Behind an hour from 1 to 12: whether it is in the second half of the day.
HALVES = {"am": False, "a.m": False, "утра": False, "ночи": False, "pm": True, "p.m": True, "дня": True, "вечера": True}
#: Behind an hour.
OCLOCK = frozenset(["o'clock", "час", "часа", "часов"])
CRON = frozenset(["cron", "крон"])
#: Letters of which people type one for the other, and the tables have the second one.
SAME_LETTER = ("ё", "е")
#: Behind the number of a day: patterns.
ORDINAL_ENDS = ("st", "nd", "rd", "th", "-?го", "-?е")
#: Behind the number of a year.
YEAR = frozenset(["г", "год", "года"])
