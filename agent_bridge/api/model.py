"""The base of the API's models, and the types of their fields."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from agent_bridge.core.ids import MAX_ID_BYTES
from agent_bridge.core.names import one_line
from agent_bridge.core.program_problems import Problem, ProgramRefused
from agent_bridge.matrix.events import clean

#: The largest number of a row.
LARGEST = 2**63 - 1


class ApiModel(BaseModel):
    """Base of the models: an unknown field is an error, and so is a value of another type."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False, defer_build=True
    )


def _storable(value: str) -> str:
    if value != clean(value):
        raise ValueError("has characters that cannot be sent")
    return value


#: Text without NUL and half surrogate pairs.
Text = Annotated[str, AfterValidator(_storable)]


def _visible(value: str) -> str:
    if not one_line(value):
        raise ValueError("has a character that can be seen")
    return value


#: Text that shows something.
VisibleText = Annotated[Text, AfterValidator(_visible)]
#: An event id.
EventId = Annotated[Text, Field(pattern=r"^\$[\x21-\x7e]+$", max_length=MAX_ID_BYTES, examples=["$event"])]
#: A user id, or the name of an agent.
UserName = Annotated[Text, Field(min_length=1, max_length=MAX_ID_BYTES, examples=["Ada"])]
#: A room id, an alias, or the name of an agent or a channel.
RoomName = Annotated[Text, Field(min_length=1, max_length=MAX_ID_BYTES, examples=["Ada"])]


def number_in(part: str, noun: str, missing: Problem) -> int:
    """Return the number of a *noun* that a part of a path is.

    Raises:
        ProgramRefused: it is none, so there is nothing with that number (*missing*).
    """
    if part.isascii() and part.isdecimal() and len(part) <= len(str(LARGEST)) and 0 < int(part) <= LARGEST:
        return int(part)
    raise ProgramRefused(missing, f"there is no {noun} {part}")
