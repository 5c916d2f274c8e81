"""Notifications: news that the bot tells one person in a direct message."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class NotificationKind(StrEnum):
    """Kinds of notifications. The values of each have the names behind it."""

    #: ``task`` (number), ``title``, ``by`` (user id).
    TASK_ASSIGNED = "task_assigned"
    #: ``vote`` (number), ``question``, ``result`` (text).
    VOTE_CLOSED = "vote_closed"
    #: ``schedule`` (number), ``prompt``, ``due`` (text).
    SCHEDULE_MISSED = "schedule_missed"
    #: ``agent`` (name), ``tool``.
    APPROVAL_WAITING = "approval_waiting"
    #: ``agent`` (name), ``text`` (the sentence that the room is told).
    QUOTA_REACHED = "quota_reached"


@dataclass(frozen=True, slots=True)
class Notification:
    """News for the person *user_id*. Agents and people without a role get none."""

    user_id: str
    kind: NotificationKind
    #: The room that it is about; None: none.
    room_id: str | None = None
    #: Texts and whole numbers, by name, as :class:`NotificationKind` lists them. Texts are raw.
    values: Mapping[str, str | int] = field(default_factory=dict)
    #: Name of the news: a second notification with the same key is not written. None: the caller's transaction
    #: happens once.
    key: str | None = None
    #: Row id of a request for a decision: once there is one, nobody is told.
    approval: int | None = None
    #: Seconds until it is told at the earliest.
    delay: float = 0.0
