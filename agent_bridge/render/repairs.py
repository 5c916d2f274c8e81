"""The results of ``plan`` and ``repair`` as Markdown: short lines and numbered lists."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from agent_bridge.render.content import escape, in_backticks, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent_bridge.core.results.repairs import (
        Difference,
        Outcome,
        PassPlan,
        RepairBegun,
        RepairReport,
        RoomDifferences,
    )
    from agent_bridge.i18n.catalogue import Texts

#: Names in a line, and rooms in a report.
_NAMES, _ROOMS = 5, 20


def render_plan(plan: PassPlan, texts: Texts) -> str:
    """Return the changes of the next pass, five names a line."""
    words = texts.repairs
    counts = {
        "create": texts.count(len(plan.create), words.room),
        "add": texts.count(len(plan.add), texts.agent),
        "rename": str(len(plan.rename)),
        "retire": str(len(plan.retire)),
        "back": str(len(plan.back)),
        "put_away": str(len(plan.put_away)),
        "delete": texts.count(len(plan.delete), words.room),
        "invite": texts.count(len(plan.invite), words.person),
        "move": texts.count(len(plan.move), words.room),
        "places": str(len(plan.places)),
    }
    renamed = [f"{_name(before)} → {_name(after)}" for before, after in plan.rename[:_NAMES]]
    shown = {
        "rename": _joined(renamed, len(plan.rename), texts),
        "invite": _joined([f"`{in_backticks(user)}`" for user in plan.invite[:_NAMES]], len(plan.invite), texts),
    }
    lines = [
        words.plan_lines[key].format(count=count, names=shown.get(key) or _names(getattr(plan, key), texts))
        for key, count in counts.items()
        if getattr(plan, key)
    ]
    blocks = ["\n".join([words.plan_head, *lines])] if lines else [words.plan_nothing]
    for key, text in words.plan_held.items():
        if names := getattr(plan, key):
            blocks.append(text.format(count=len(names), names=_names(names, texts)))
    blocks += [f"⚠️ **{escape(shortened(name))}**: {cause}" for name, cause in plan.away]
    if lines:
        blocks.append(words.plan_end)
    return "\n\n".join(blocks)


def render_begun(result: RepairBegun, texts: Texts) -> str:
    """Return that a repair begins."""
    words = texts.repairs
    begun = words.begun if result.agent is None else words.begun_agent.format(agent=escape(shortened(result.agent)))
    return f"{begun} {words.begun_forced}" if result.is_forced else begun


def render_repair(report: RepairReport, texts: Texts, prefix: str, *, most: int = _ROOMS) -> str:
    """Return the progress or the result of a repair, with *most* rooms at most."""
    words = texts.repairs
    if not report.is_finished:
        return words.progress.format(done=report.done, total=report.total, repaired=report.repaired)
    found = [room for room in report.rooms if room.differences or room.error]
    head = words.done if found else words.done_clean
    lines = [head.format(count=texts.count(report.done, words.compared))]
    lines += [f"{number}. {_room_line(room, texts)}" for number, room in enumerate(found[:most], 1)]
    blocks = ["\n".join(lines)]
    if len(found) > most:
        blocks.append(words.more_rooms.format(count=len(found) - most))
    kept = next((room for room in found if any(each.is_replaceable for each in room.differences)), None)
    if kept is not None:
        command = " ".join(filter(None, ["repair", in_backticks(kept.agent), "force"]))
        blocks.append(words.forces.format(command=f"{prefix} {command}"))
    if report.error:
        blocks.append(words.failed.format(cause=escape(shortened(report.error))))
    return "\n\n".join(blocks)


def _room_line(room: RoomDifferences, texts: Texts) -> str:
    words = texts.repairs
    lines = _outcomes(room.differences, texts)
    if room.error:
        lines.append(words.room_error.format(cause=escape(shortened(room.error))))
    return words.room_line.format(name=escape(shortened(room.name)), differences="; ".join(lines))


def _outcomes(differences: Sequence[Difference], texts: Texts) -> list[str]:
    """Return a line for each outcome, with the parts that have it."""
    parts: dict[tuple[Outcome, str | None], list[str]] = defaultdict(list)
    for each in differences:
        parts[each.outcome, each.by].append(texts.repairs.parts[each.part])
    return [
        texts.repairs.outcomes[outcome].format(parts=", ".join(names), by=in_backticks(by or "?"))
        for (outcome, by), names in parts.items()
    ]


def _names(names: Sequence[str], texts: Texts) -> str:
    return _joined([_name(name) for name in names[:_NAMES]], len(names), texts)


def _joined(shown: Sequence[str], number: int, texts: Texts) -> str:
    more = [texts.repairs.plan_more.format(count=number - len(shown))] if number > len(shown) else []
    return ", ".join([*shown, *more])


def _name(name: str) -> str:
    return f"*{escape(shortened(name))}*"
