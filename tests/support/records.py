"""Records for tests, with default values."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from agent_bridge.core.agents import Agent, AgentState
from agent_bridge.core.answers import AnswerExtras
from agent_bridge.core.ids import Namespace
from agent_bridge.core.payloads import MessagePayload
from agent_bridge.core.quotas import Measure, Per, Period, Rule
from agent_bridge.core.rooms import HomeRoom
from agent_bridge.core.turns import Turn, TurnKind, TurnState
from agent_bridge.core.usage import Usage, UsageEntry
from agent_bridge.store.agents import AgentRoom, DesiredAgent
from agent_bridge.store.turn_admin import TurnSummary

NAMES = Namespace("example.org", "agentbridge", "agent_")
LONG_AGO = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)


def agent(number: int = 1, name: str = "Frida", /, **changes: Any) -> Agent:
    values: dict[str, Any] = {
        "id": number,
        "upstream": "up",
        "agent_id": name,
        "model": name,
        "name": name,
        "ghost": f"agent_{name.lower()}",
        "displayname": f"Agent {name}",
        "displayname_applied": None,
        "state": AgentState.ACTIVE,
        "state_since": LONG_AGO,
    }
    return Agent(**(values | changes))


def contact(number: int = 1, name: str = "Frida", /, **changes: Any) -> AgentRoom:
    """Return an agent at home; *changes* go to the agent where it has such a field, else to the home."""
    of_agent = {key: changes.pop(key) for key in [*changes] if key in {field.name for field in fields(Agent)}}
    values: dict[str, Any] = {
        "id": number + 1000,
        "room_id": f"!{number}:example.org",
        "name": f"{name} - Chat",
        "name_applied": None,
        "topic": f"Chat with {name}",
        "topic_applied": None,
        "bot_joined": False,
        "space": None,
        "invited": frozenset(),
        "announced_state": AgentState.ACTIVE,
        "when_busy": None,
        "streaming": None,
    }
    return AgentRoom(agent(number, name, **of_agent), HomeRoom(**(values | changes)))


def wanted(name: str = "Frida", /, **changes: Any) -> DesiredAgent:
    values: dict[str, Any] = {
        "upstream": "up",
        "agent_id": name,
        "model": name,
        "name": name,
        "ghost": f"agent_{name.lower()}",
        "displayname": f"Agent {name}",
        "room_name": f"{name} - Chat",
        "room_topic": f"Chat with {name}",
    }
    return DesiredAgent(**(values | changes))


def summary(**changes: Any) -> TurnSummary:
    """Return a turn as commands read it."""
    values: dict[str, Any] = {
        "id": 1,
        "key": "0123456789abcdef",
        "event_id": "$event",
        "conversation": 2,
        "room_id": "!1:example.org",
        "usage": None,
        "agent": "Frida",
        "kind": TurnKind.MESSAGE,
        "sender": "@bob:example.org",
        "state": TurnState.QUEUED,
        "attempts": 0,
        "failures": 0,
        "interruptions": 0,
        "retries": 0,
        "error": None,
        "said_at": LONG_AGO,
        "created_at": LONG_AGO,
        "started_at": None,
        "finished_at": None,
        "steps": (),
        "is_redacted": False,
        "collected_into": None,
        "head": None,
        "chain": None,
    }
    return TurnSummary(**(values | changes))


def turn(**changes: Any) -> Turn:
    """Return a question as a worker claims it."""
    values: dict[str, Any] = {
        "id": 1,
        "event_id": "$event",
        "key": "0123456789abcdef",
        "conversation": 2,
        "room_id": "!room",
        "thread": "",
        "agent": agent(),
        "own_room": True,
        "in_agent_room": True,
        "when_busy": None,
        "streaming": None,
        "kind": TurnKind.MESSAGE,
        "sender": "@alice:example.org",
        "payload": MessagePayload("hello"),
        "state": TurnState.QUEUED,
        "attempts": 0,
        "failures": 0,
        "interruptions": 0,
        "retries": 0,
        "age": 0.0,
        "stop": None,
        "collected": (),
        "answer": None,
        "extras": AnswerExtras(),
        "error": None,
    }
    return Turn(**(values | changes))


def used(turn: Turn, usage: Usage, **changes: Any) -> UsageEntry:
    """Return the tokens of a request that answers *turn*, which has an agent."""
    assert turn.agent is not None
    values: dict[str, Any] = {
        "key": f"{turn.request_key}#{turn.attempts}",
        "turn": turn.id,
        "user": turn.sender,
        "role": "member",
        "room_id": turn.room_id,
        "agent": turn.agent.id,
        "upstream": turn.agent.upstream,
        "model": turn.agent.model,
        "usage": usage,
        "is_estimated": False,
    }
    return UsageEntry(**(values | changes))


def rule(per: Per = Per.USER, limit: float = 10, **changes: Any) -> Rule:
    """Return a quota; by default one of tokens in a day."""
    values: dict[str, Any] = {"match": "*", "measure": Measure.TOKENS, "period": Period.DAY, "role": None}
    return Rule(per=per, limit=Decimal(str(limit)), **(values | changes))
