"""Cards of tasks and messages about notifications, which fit an event with any texts."""

from __future__ import annotations

import pytest

from agent_bridge.core.notifications import Notification, NotificationKind
from agent_bridge.core.tasks import MOST_NOTE, MOST_SUBTASKS, MOST_TITLE, TASK, Task, TaskState
from agent_bridge.i18n.russian import RUSSIAN
from agent_bridge.render.content import fits_event
from agent_bridge.render.notifications import NOTIFICATIONS, notification_message
from agent_bridge.render.tasks import task_card

LONGEST_USER = f"@{'&' * 240}:example.org"


def of(number: int, title: str, *, note: str = "", assignee: str | None = None) -> Task:
    """Return a task with a title."""
    return Task(
        number=number,
        key=f"k{number}",
        room_id="!room:example.org",
        parent=None if number == 1 else 1,
        title=title,
        state=TaskState.WORKING,
        creator=assignee or "@ann:example.org",
        assignee=assignee,
        percent=50,
        note=note,
        changes=3,
    )


@pytest.mark.parametrize("sign", ["a", "🐈", "&"])
@pytest.mark.parametrize("assignee", [None, LONGEST_USER], ids=["free", "long"])
def test_a_card_fits_an_event(sign: str, assignee: str | None) -> None:
    task = of(1, sign * MOST_TITLE, note=sign * MOST_NOTE, assignee=assignee)
    parts = [of(number, sign * MOST_TITLE, assignee=assignee) for number in range(2, 2 + MOST_SUBTASKS)]
    content = task_card(task, parts, {}, RUSSIAN, mark="m")
    assert fits_event(content)
    assert content[TASK]["note"] == sign * MOST_NOTE
    shown = content[TASK]["subtasks"]
    assert [each["id"] for each in shown] == [each.number for each in parts]
    assert {"title" in each for each in shown} in ({False}, {True})
    # People see each subtask with the beginning of its title.
    assert content["body"].count("🔵") == 1 + MOST_SUBTASKS
    assert f"51 {sign * 8}" in content["body"]


def test_a_card_that_fits_has_all_titles() -> None:
    parts = [of(number, f"part {number} " + "a" * 80, assignee="@bob:example.org") for number in range(2, 12)]
    content = task_card(of(1, "top"), parts, {}, RUSSIAN, mark="m")
    assert [each["title"] for each in content[TASK]["subtasks"]] == [each.title for each in parts]
    assert all(each.title in content["body"] for each in parts)
    assert "…" not in content["body"]


@pytest.mark.parametrize("sign", ["🐈", '"'])
def test_fifty_notifications_fit_an_event(sign: str) -> None:
    kinds: dict[NotificationKind, dict[str, str | int]] = {
        NotificationKind.VOTE_CLOSED: {"vote": 7, "question": sign * 300, "result": sign * 3_000},
        NotificationKind.TASK_ASSIGNED: {"task": 7, "title": sign * 200, "by": LONGEST_USER},
    }
    for kind, values in kinds.items():
        room = f"!{'r' * 200}:example.org"
        news = [Notification("@bob:example.org", kind, room, {**values, "task": each}) for each in range(50)]
        content = notification_message(news, RUSSIAN, "example.org", mark="m")
        assert fits_event(content, is_edited=False)
        assert len(content[NOTIFICATIONS]) == content["body"].count("(комната)") == 50
    (first,) = notification_message(news[:1], RUSSIAN, "example.org", mark="m")[NOTIFICATIONS]
    assert first["values"]["title"] == sign * 200
    # The same news is told once.
    assert len(notification_message([*news, *news[:1]], RUSSIAN, "example.org", mark="m")[NOTIFICATIONS]) == 50
