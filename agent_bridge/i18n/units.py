"""The units of time that people type, in all languages."""

from __future__ import annotations

#: Seconds, by the words that people type.
UNITS: dict[str, int] = {
    unit: seconds
    for seconds, units in {
        1: "s sec secs second seconds с сек секунда секунду секунды секунд",
        60: "m min mins minute minutes м мин минута минуту минуты минут",
        3600: "h hr hrs hour hours ч час часа часов",
        86400: "d day days д дн день дня дней",
        604800: "w week weeks нед неделя неделю недели недель",
    }.items()
    for unit in units.split()
}
