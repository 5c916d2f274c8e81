"""Declarations of tools: a tool is an endpoint whose path, query and body are one set of arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field, create_model

from agent_bridge.api.model import LARGEST, ApiModel, EventId, RoomName, Text, UserName
from agent_bridge.core.ids import MAX_ID_BYTES
from agent_bridge.core.permissions import CAN
from agent_bridge.core.program_problems import Problem
from agent_bridge.core.programs import LONGEST_KEY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from agent_bridge.api.endpoint import ApiCall, Endpoint, Responded
    from agent_bridge.core.programs import Token
    from agent_bridge.core.roles import Role

    Run = Callable[[ApiCall, Any], Awaitable[ApiModel | Responded]]

#: The argument by which a repeat of a call is recognised.
KEY = "idempotency_key"
_KEY_FIELD: tuple[Any, Any] = (
    Text | None,
    Field(
        None,
        min_length=1,
        max_length=LONGEST_KEY,
        pattern=r"^[\x20-\x7e]+$",
        description="A text of your own for this call. A repeat with the same one has no other effect.",
    ),
)
#: Arguments that are parts of paths.
_PARTS: Mapping[str, tuple[Any, Any]] = {
    "room": (RoomName, Field(description="A room id, an alias, or the name of an agent or a channel.")),
    "event_id": (EventId, Field(description="Event id of the message.")),
    "handle": (Text, Field(min_length=1, max_length=MAX_ID_BYTES, description="The handle that ask has returned.")),
    "question": (int, Field(ge=1, le=LARGEST, description="The id of the question in the inbox.")),
    "task": (int, Field(ge=1, le=LARGEST, description="Number of the task.")),
    "agent": (UserName, Field(description="Name or user id of the agent.")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool."""

    name: str
    #: For models, which choose tools by it.
    description: str
    #: The function behind it, with its capability, its permission and its result.
    endpoint: Endpoint
    arguments: type[ApiModel]
    run: Run
    #: Further functions, which some arguments mean.
    also: Sequence[Endpoint]
    response: type[ApiModel]

    def is_for(self, token: Token, role: Role) -> bool:
        """Tell whether *token*, whose identity has *role* outside of servers, can do anything with the tool."""
        endpoint = self.endpoint
        return (
            (endpoint.capability is None or endpoint.capability in token.capabilities)
            and (endpoint.has_room or endpoint.permission in CAN[role])
            and (token.is_agent or Problem.AGENTS_ONLY not in endpoint.problems)
        )

    def input_schema(self) -> dict[str, Any]:
        """Return the JSON schema of the arguments."""
        schema: dict[str, Any] = _bare(self.arguments.model_json_schema())
        return schema

    def output_schema(self) -> dict[str, Any]:
        """Return the JSON schema of the result."""
        schema: dict[str, Any] = _bare(self.response.model_json_schema(mode="serialization"))
        return schema


def tool_of(
    endpoint: Endpoint,
    description: str,
    *,
    name: str = "",
    run: Run | None = None,
    also: Sequence[Endpoint] = (),
    response: type[ApiModel] | None = None,
    body: type[ApiModel] | None = None,
    **fields: tuple[Any, Any],
) -> Tool:
    """Return the tool of *endpoint*; *name*: another one than that of the endpoint.

    *fields*: arguments that models get in another form than programs, as types with pydantic's ``Field``. *run*: a
    function for an endpoint whose arguments are not those of the tool. *also*: further endpoints for which the tool
    stands. *response*, *body*: other models than those of the endpoint.
    """
    title = name or endpoint.name
    parts: dict[str, Any] = {each: _PARTS[each] for each in endpoint.parts}
    models: Sequence[type[ApiModel]] = [each for each in (endpoint.query, body or endpoint.body) if each is not None]
    more: dict[str, Any] = fields | ({KEY: _KEY_FIELD} if endpoint.writes else {})
    # The fields of the last base come first.
    bases = (*models, create_model("Parts", __base__=ApiModel, **parts))
    return Tool(
        name=title,
        description=description,
        endpoint=endpoint,
        arguments=create_model(f"{title}_arguments", __base__=bases, **more),
        run=run or _runs(endpoint),
        also=also,
        response=response or endpoint.response,
    )


def _runs(endpoint: Endpoint) -> Run:
    async def run(call: ApiCall, given: Any) -> ApiModel | Responded:
        arguments: dict[str, Any] = {part: str(getattr(given, part)) for part in endpoint.parts}
        if endpoint.query is not None:
            arguments["query"] = given
        if endpoint.body is not None:
            arguments["body"] = given
        result: ApiModel | Responded = await endpoint.run(call, **arguments)
        return result

    return run


def _bare(schema: Any) -> Any:
    """Return a JSON *schema* without titles, which pydantic makes of names, and examples: models pay for each word.

    Limits of the database are left out, too: clients in JavaScript round them, and others fail.
    """
    if isinstance(schema, dict):
        left_out = {"title", *(("description",) if "properties" in schema else ())}
        # A property may have such a name: its value is an object.
        return {
            key: _bare(value)
            for key, value in schema.items()
            if not (key in left_out and isinstance(value, str))
            and not (key == "examples" and isinstance(value, list))
            and not (key == "maximum" and value == LARGEST)
        }
    return [_bare(each) for each in schema] if isinstance(schema, list) else schema
