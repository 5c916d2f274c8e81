"""The JSON form of payloads and steps. No other module knows the form of the columns ``turn.payload`` and ``steps``."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from psycopg.types.json import Jsonb

from agent_bridge.core.errors import StoreRefused
from agent_bridge.core.file_key import FileKey
from agent_bridge.core.payloads import (
    AgainPayload,
    Attachment,
    CommandPayload,
    EditPayload,
    InvitationPayload,
    MediaKind,
    MessagePayload,
    RedactionPayload,
    RefusalPayload,
    RefusalReason,
    SentEvent,
    TriggerPayload,
)
from agent_bridge.core.results.traces import Step
from agent_bridge.core.turns import TurnKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent_bridge.core.payloads import Payload

#: Version of the form that :func:`encode` writes; it stands in each payload.
_VERSION = 1
#: Kinds of turns whose payload has no further records in it.
_PLAIN: Mapping[str, type[CommandPayload | InvitationPayload | AgainPayload | TriggerPayload]] = {
    TurnKind.COMMAND: CommandPayload,
    TurnKind.INVITATION: InvitationPayload,
    TurnKind.AGAIN: AgainPayload,
    TurnKind.TRIGGER: TriggerPayload,
}
_EMPTY: Mapping[str, Payload] = {
    TurnKind.COMMAND: CommandPayload(""),
    TurnKind.EDIT: EditPayload("", MessagePayload()),
    TurnKind.REDACTION: RedactionPayload(()),
    TurnKind.REFUSAL: RefusalPayload(RefusalReason.UNREADABLE),
    TurnKind.INVITATION: InvitationPayload(""),
    TurnKind.AGAIN: AgainPayload(""),
    TurnKind.TRIGGER: TriggerPayload(0, ""),
}
_STEP_FIELDS = {field.name for field in fields(Step)}


def encode(payload: Payload) -> Jsonb:
    """Return *payload* as a value for the column ``payload``; fields that are None are left out."""
    values = {name: value for name, value in asdict(payload).items() if value is not None}
    return Jsonb({"v": _VERSION} | values)


def decode(kind: str, stored: Mapping[str, Any]) -> Payload:
    """Return the payload that *stored* holds, for a turn of kind *kind*.

    Raises:
        StoreRefused: the kind or the version is unknown: a newer program wrote it.
        ValueError, TypeError, KeyError, AttributeError: no program of the bridge wrote it.
    """
    values = dict(stored)
    version = values.pop("v", None)
    if type(version) is not int:
        raise ValueError("the payload of a turn has no version")
    if version != _VERSION:
        raise StoreRefused(f"a turn's payload has version {version}; this program reads version {_VERSION}")
    match kind:
        case TurnKind.MESSAGE:
            return _message(values)
        case TurnKind.REFUSAL:
            return RefusalPayload(**{**values, "reason": RefusalReason(values["reason"])})
        case TurnKind.CHOICE if "target" not in values:
            return _message(values)
        case TurnKind.EDIT | TurnKind.CHOICE:
            return EditPayload(values["target"], _message(values["message"]))
        case TurnKind.REDACTION:
            return RedactionPayload(tuple(SentEvent(**event) for event in values["events"]))
        case _ if kind in _PLAIN:
            return _PLAIN[kind](**values)
        case _:
            raise StoreRefused(f"a turn has the kind {kind!r}, which this program does not know")


def empty_payload(kind: str) -> Payload:
    """Return a payload without content for a turn of kind *kind*."""
    return _EMPTY.get(kind, MessagePayload())


def _message(values: Mapping[str, Any]) -> MessagePayload:
    file = values.get("file")
    return MessagePayload(
        body=values["body"],
        file=None if file is None else _attachment(file),
        reply_to=values.get("reply_to"),
        others=tuple(_attachment(each) for each in values.get("others", ())),
        form=values.get("form", ""),
        trigger=values.get("trigger", ""),
        schedule=values.get("schedule"),
        late=values.get("late"),
    )


def _attachment(stored: Mapping[str, Any]) -> Attachment:
    key = stored.get("key")
    return Attachment(**{**stored, "kind": MediaKind(stored["kind"]), "key": None if key is None else FileKey(**key)})


def encode_step(name: str, **details: float | str | None) -> Jsonb:
    """Return a step for the function ``append_step``, which adds the time; *details* are fields of a Step."""
    return Jsonb({"what": name} | {key: value for key, value in details.items() if value is not None})


def decode_step(stored: Mapping[str, Any]) -> Step:
    """Return the step that *stored* holds; details that only other programs know are left out."""
    values = {name: value for name, value in stored.items() if name in _STEP_FIELDS}
    return Step(**{**values, "name": stored["what"], "at": datetime.fromisoformat(stored["at"])})
