"""``agent-bridge demo``: starts a homeserver, agents, the bridge and two Matrix clients, and stops them again."""

from __future__ import annotations

import asyncio
import math
import secrets
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import dropwhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import Console

from agent_bridge.config.example import render
from agent_bridge.config.registration import registration, to_yaml
from agent_bridge.config.validation import config_from
from agent_bridge.demo.agents.upstream import DemoUpstream
from agent_bridge.demo.banner import Login, Scene, print_banner
from agent_bridge.demo.bridge import DemoBridge, DemoError
from agent_bridge.demo.client import Person
from agent_bridge.demo.live import show
from agent_bridge.demo.synapse import Synapse, free_port
from agent_bridge.demo.timeline import Room

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence

    from agent_bridge.config.model import Config

Result = TypeVar("Result")

_DOMAIN = "demo.localhost"
_READY_WITHIN = 90.0
_ANSWER_WITHIN = 120.0
_QUESTION = "Hello! Who are you?"


@dataclass(frozen=True, slots=True)
class RunningDemo:
    """The running parts, and the clients of two people."""

    scene: Scene
    admin: Person
    alice: Person
    bridge: DemoBridge
    #: Rooms of the agents, by id, with the ghost that answers there.
    rooms: dict[str, str]


async def play(*, once: bool, upstream: str | None = None, api_key: str | None = None) -> int:
    """Start everything, show events until cancelled, and stop everything; return the exit code.

    With *once*, send one message to one agent as a person, print the answer, and end. *upstream* is the base URL of a
    real upstream, which replaces the demo's own.

    Raises:
        DemoError, SynapseError: a part could not be started.
        ProgramEnded: the bridge ended unexpectedly.
    """
    console = Console(stderr=once, soft_wrap=True)
    started = asyncio.Event()

    def on_event(event: dict[str, Any]) -> None:
        if started.is_set():
            show(console, event)

    async with _start(console, on_event, upstream, api_key) as demo:
        if once:
            return await _unless_ended(demo.bridge, _ask_once(demo))
        print_banner(console, demo.scene)
        started.set()
        raise await demo.bridge.ended()


@asynccontextmanager
async def _start(
    console: Console, on_event: Callable[[dict[str, Any]], None], upstream: str | None, api_key: str | None
) -> AsyncIterator[RunningDemo]:
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(_folder())
        own = None if upstream else await stack.enter_async_context(DemoUpstream())
        url = upstream or (own.api_url if own else "")
        synapse = Synapse(folder / "synapse", _DOMAIN, registrations=[folder / "registration.yaml"])
        config = _config(synapse, url, api_key)
        _write(folder, config)
        with console.status("Starting a homeserver, a database and the bridge …"):
            bridge = await stack.enter_async_context(DemoBridge(folder / "config.yaml", on_event))
            await stack.enter_async_context(synapse)
            admin, alice = [await _person(stack, synapse, name) for name in ("admin", "alice")]
            people = (admin[1], alice[1])
            for person in people:
                accepting = asyncio.create_task(_accept_all(person))
                stack.callback(accepting.cancel)
            rooms = await _unless_ended(bridge, _rooms_of_agents(bridge, people, config.appservice.username_prefix))
        names = tuple(alice[1].room(room).displayname(ghost) for room, ghost in rooms.items())
        logins = (
            Login(admin[1].user_id, admin[0], "administers the bridge"),
            Login(alice[1].user_id, alice[0], "talks to agents"),
        )
        scene = Scene(
            homeserver=synapse.url,
            logins=logins,
            agents=names,
            space=config.space.name,
            upstream=own.url if own else url,
            renamable=own.agents[0].id if own else None,
        )
        yield RunningDemo(scene, admin[1], alice[1], bridge, rooms)


def _config(synapse: Synapse, url: str, api_key: str | None) -> Config:
    admin, alice = synapse.user_id("admin"), synapse.user_id("alice")
    return config_from(
        {
            "homeserver": {"address": synapse.url, "domain": _DOMAIN},
            "appservice": {
                "port": (port := free_port()),
                "address": f"http://127.0.0.1:{port}",
                "as_token": secrets.token_urlsafe(48),
                "hs_token": secrets.token_urlsafe(48),
            },
            "upstreams": [{"name": "demo", "url": url, "api_key": api_key}],
            # Both people enter all rooms.
            "rooms": {"invite": [admin, alice], "join_rule": "invite", "lobby": True},
            "permissions": {"*": "none", _DOMAIN: "member", admin: "admin"},
            "logging": {"format": "json"},
        }
    )


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="agent-bridge-demo-") as name:
        # If root runs the demo, PostgreSQL runs as another user.
        Path(name).chmod(0o711)
        yield Path(name)


def _write(folder: Path, config: Config) -> None:
    for name, text in (("config.yaml", render(config)), ("registration.yaml", to_yaml(registration(config)))):
        file = folder / name
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")


async def _person(stack: AsyncExitStack, synapse: Synapse, name: str) -> tuple[str, Person]:
    password = secrets.token_urlsafe(9)
    token = await synapse.register_user(name, password)
    return password, await stack.enter_async_context(Person(synapse.url, synapse.user_id(name), token))


async def _unless_ended(bridge: DemoBridge, work: Coroutine[Any, Any, Result]) -> Result:
    """Await *work*, but only as long as the bridge runs."""
    working, ended = asyncio.ensure_future(work), asyncio.ensure_future(bridge.ended())
    try:
        await asyncio.wait({working, ended}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            raise ended.result()
        return await working
    finally:
        working.cancel()
        ended.cancel()


async def _accept_all(person: Person) -> None:
    """Accept every invitation until cancelled."""
    accepted: set[str] = set()
    while True:
        new = await person.wait_for(partial(_new_invites, person, accepted), within=math.inf)
        for room_id in new:
            await person.join(room_id)
        accepted |= new


def _new_invites(person: Person, accepted: set[str]) -> set[str]:
    return person.invites.keys() - accepted


async def _rooms_of_agents(bridge: DemoBridge, people: Sequence[Person], prefix: str) -> dict[str, str]:
    """Wait until all *people* are in every agent's room; return the ghost of each room, by room id."""

    def rooms(person: Person) -> dict[str, str]:
        return {
            room_id: ghost
            for room_id, room in person.rooms.items()
            for ghost in room.members()
            if ghost.startswith(f"@{prefix}") and not is_lobby(room)
        }

    def is_lobby(room: Room) -> bool:
        alias = room.state.get(("m.room.canonical_alias", ""), {}).get("alias", "")
        return bool(alias.startswith(f"#{prefix}~"))

    def complete(person: Person, agents: int) -> bool:
        return len(rooms(person)) >= agents

    try:
        async with asyncio.timeout(_READY_WITHIN):
            agents = await bridge.agents
            for person in people:
                await person.wait_for(partial(complete, person, agents), within=_READY_WITHIN)
    except TimeoutError as error:
        raise DemoError(f"not every agent had a room within {_READY_WITHIN:.0f} s: {error}") from error
    return rooms(people[-1])


async def _ask_once(demo: RunningDemo) -> int:
    if not demo.rooms:
        raise DemoError(f"{demo.scene.upstream} lists no agents")
    room_id, ghost = next(iter(demo.rooms.items()))
    alice, room = demo.alice, demo.alice.room(room_id)
    print(f"{alice.user_id}: {_QUESTION}")  # noqa: T201
    question = await alice.say(room_id, _QUESTION)

    async with asyncio.timeout(_ANSWER_WITHIN):
        answered = await demo.bridge.answered
    # Read from the homeserver, because the client may not have received the last edit yet.
    seen = Room(room_id)
    # Before the question, the agent has introduced itself.
    after = dropwhile(lambda event: event["event_id"] != question, await alice.history(room_id))
    for event in after:
        seen.see(event)
    print(f"{room.displayname(ghost)}: " + "\n".join(message.body for message in seen.said_by(ghost)))  # noqa: T201
    return 0 if answered else 1
