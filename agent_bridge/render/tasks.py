"""Tasks as cards, and the results of the commands about them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from agent_bridge.core.results.tasks import (
    TaskChanged,
    TaskList,
    TaskMade,
    TaskRefused,
    TaskSplit,
)
from agent_bridge.core.tasks import MOST_TITLE, TASK, TaskState
from agent_bridge.render.content import escape, fits_event, message, user_link

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agent_bridge.core.results.tasks import TaskEntry
    from agent_bridge.core.tasks import Task
    from agent_bridge.i18n.catalogue import Texts

#: Signs of states, in front of subtasks and of the entries of a list.
_SIGNS = {
    TaskState.SUBMITTED: "⚪",
    TaskState.WORKING: "🔵",
    TaskState.INPUT_REQUIRED: "❓",
    TaskState.AUTH_REQUIRED: "🔒",
    TaskState.COMPLETED: "✅",
    TaskState.FAILED: "❌",
    TaskState.CANCELED: "🚫",
    TaskState.REJECTED: "🚫",
}
#: Parts of a bar.
_BAR = 10
#: Characters of the titles of subtasks in a card: the first number with which it fits an event. With the last one, the
#: card does not name the assignees of subtasks, and fits with any titles, notes and user ids.
_PART_TITLES = (MOST_TITLE, 80, 30, 8)


def task_card(
    task: Task, subtasks: Sequence[Task], names: Mapping[str, str], texts: Texts, *, mark: str
) -> dict[str, Any]:
    """Return the message that shows *task* with its *subtasks*; *names*: of agents, by the user ids of their ghosts.

    It fits an event: if the titles of the subtasks are too long for one, it shows their beginnings, and programs get
    the subtasks without titles and assignees.
    """
    for longest in _PART_TITLES:
        content = _card(task, subtasks, names, texts, mark=mark, longest=longest)
        if fits_event(content):
            break
    return content


def _card(
    task: Task, subtasks: Sequence[Task], names: Mapping[str, str], texts: Texts, *, mark: str, longest: int
) -> dict[str, Any]:
    """Return the card with *longest* characters of the titles of subtasks."""
    words = texts.tasks
    head = words.head.format(number=task.number, title=escape(task.title))
    facts = [f"{_SIGNS[task.state]} {words.states[task.state]}"]
    if task.assignee is not None:
        form = words.assigned if task.state is TaskState.SUBMITTED else words.by
        facts.append(form.format(user=_name(task.assignee, names)))
    facts.append(words.creator.format(user=_name(task.creator, names)))
    if task.parent is not None:
        facts.append(words.part_of.format(number=task.parent))
    blocks = [head, ", ".join(facts)]
    if task.state.is_begun or subtasks:
        blocks.append(f"{_bar(task.percent)} {task.percent} %")
    if task.note:
        blocks.append(escape(task.note))
    if subtasks:
        blocks.append("\n".join(_part(each, names, longest) for each in subtasks))
    if task.state is TaskState.SUBMITTED:
        blocks.append(words.how_to_claim.format(prefix=texts.prefix, number=task.number))
    return message("\n\n".join(blocks), mark=mark, notice=True) | {
        TASK: structured(task, subtasks, has_titles=longest >= MOST_TITLE)
    }


def structured(task: Task, subtasks: Sequence[Task], *, has_titles: bool = True) -> dict[str, Any]:
    """Return *task* for programs; *has_titles*: with the titles and assignees of its subtasks."""
    found: dict[str, Any] = {
        "id": task.number,
        "state": str(task.state),
        "title": task.title,
        "creator": task.creator,
        "progress": task.percent,
        "revision": task.changes,
    }
    optional = {"assignee": task.assignee, "parent": task.parent, "note": task.note or None}
    found |= {key: value for key, value in optional.items() if value is not None}
    if subtasks:
        found["subtasks"] = [
            {"id": each.number, "state": str(each.state), "progress": each.percent}
            | ({"title": each.title} if has_titles else {})
            | ({"assignee": each.assignee} if has_titles and each.assignee is not None else {})
            for each in subtasks
        ]
    return found


def task_renderers(texts: Texts, prefix: str) -> Mapping[type, Callable[[Any], str]]:
    """Return the functions that render results, by the types of the results; *prefix* starts a command in a room."""
    words = texts.tasks
    return {
        TaskMade: lambda result: words.made.format(number=result.task.number),
        TaskChanged: lambda result: words.changed[result.action].format(
            number=result.task.number,
            title=escape(result.task.title),
            percent=result.task.percent,
            user=user_link(result.task.assignee or words.nobody),
        ),
        TaskSplit: lambda result: words.split.format(
            number=result.task.number, subtasks=", ".join(f"**{each}**" for each in result.subtasks)
        ),
        TaskRefused: partial(_refused, texts, prefix),
        TaskList: partial(_list, texts, prefix),
    }


def _refused(texts: Texts, prefix: str, result: TaskRefused) -> str:
    words = texts.tasks
    state = words.states.get(result.state) or escape(result.state)
    by = user_link(result.by) if result.by else words.nobody
    return words.problems[result.problem].format(
        number=result.number, state=state, by=by, most=result.most, prefix=prefix
    )


def _list(texts: Texts, prefix: str, result: TaskList) -> str:
    words = texts.tasks
    if not result.tasks:
        return (words.none_own if result.is_own else words.none).format(prefix=prefix)
    lines = [_entry(each, {each.number for each in result.tasks}, texts) for each in result.tasks]
    foot = words.list_foot.format(prefix=prefix)
    if result.pages > 1:
        following = result.page % result.pages + 1
        page = words.page.format(page=result.page, pages=result.pages, prefix=prefix, following=following)
        foot = f"{page}\n\n{foot}"
    head = words.list_head_own if result.is_own else words.list_head
    return "\n".join([head, "", *lines, "", foot])


def _entry(task: TaskEntry, shown: set[int], texts: Texts) -> str:
    words = texts.tasks
    facts = [words.states[task.state]]
    if task.assignee is not None:
        facts.append(user_link(task.assignee))
    if task.percent and task.state.is_begun:
        facts.append(f"{task.percent} %")
    indent = "  " if task.parent in shown else ""
    return f"{indent}- {_SIGNS[task.state]} **{task.number}** {escape(task.title)} ({', '.join(facts)})"


def _part(task: Task, names: Mapping[str, str], longest: int) -> str:
    is_named = task.assignee is not None and longest > _PART_TITLES[-1]
    who = f" ({_name(task.assignee or '', names)})" if is_named else ""
    percent = f", {task.percent} %" if task.state.is_begun else ""
    title = task.title if len(task.title) <= longest else f"{task.title[:longest]}…"
    return f"- {_SIGNS[task.state]} **{task.number}** {escape(title)}{who}{percent}"


def _name(user: str, names: Mapping[str, str]) -> str:
    return user_link(names.get(user, user))


def _bar(percent: int) -> str:
    full = percent * _BAR // 100
    return "▓" * full + "░" * (_BAR - full)
