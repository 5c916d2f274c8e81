"""Results of the commands about tasks, agent events and notifications."""

from __future__ import annotations

from typing import TypeAlias

from agent_bridge.core.results.events import EventResult
from agent_bridge.core.results.mirrors import MirrorResult
from agent_bridge.core.results.notifications import NotificationsSet
from agent_bridge.core.results.tasks import TaskResult

TogetherResult: TypeAlias = EventResult | MirrorResult | NotificationsSet | TaskResult
