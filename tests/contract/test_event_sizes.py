"""The longest parts of answers, sent to a real Synapse: it accepts each part, and an edit of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent_bridge.core.errors import HomeserverRefused
from agent_bridge.core.ids import mark
from agent_bridge.matrix.client import Homeserver
from agent_bridge.matrix.session import homeserver_session
from agent_bridge.render.content import MAX_CONTENT, edit, in_thread, message
from agent_bridge.render.markdown.html import is_plain, to_html
from agent_bridge.render.rendition import ops_for
from support.event_sizes import at_the_border, wire_size

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from support.harness import BridgeHarness

GHOST = "agent_sizes"


@pytest.fixture(scope="module")
async def homeserver(harness: BridgeHarness) -> AsyncIterator[Homeserver]:
    config = harness.config("postgresql://unused", [{"name": "unused", "url": "http://127.0.0.1:9"}])
    token = config.appservice.as_token.get_secret_value()
    async with homeserver_session() as session:
        homeserver = Homeserver(harness.synapse.url, token, config.namespace, session)
        await homeserver.register(GHOST)
        yield homeserver


@pytest.fixture(scope="module")
async def room(homeserver: Homeserver) -> str:
    return (await homeserver.create_room({}, homeserver.namespace.user_id(GHOST))).room_id


@pytest.mark.parametrize("piece", ["a", '"', "\\", "<", "&", "\x01", "🐈", "ж", "**ж** ", "`<` ", "- a\n"])
async def test_the_longest_part_and_its_edit_are_taken(homeserver: Homeserver, room: str, piece: str) -> None:
    ghost, key = homeserver.namespace.user_id(GHOST), mark("0123456789abcdef", 9999)
    below, behind = at_the_border(piece)
    root = await homeserver.send(room, message("root", mark=key), txn_id=f"{piece!r}.root", as_user=ghost)
    for number, op in enumerate([*ops_for(below), *ops_for(behind)]):
        content = message(op.text, mark=key, live=True)
        assert "formatted_body" in content or is_plain(content["body"], to_html(content["body"], live=True))
        event_id = await homeserver.send(
            room, content | in_thread(root, root), txn_id=f"{piece!r}.{number}", as_user=ghost
        )
        changed = edit(content, event_id)
        assert wire_size(changed) <= MAX_CONTENT
        await homeserver.send(room, changed, txn_id=f"{piece!r}.{number}.edit", as_user=ghost)
        event = await homeserver.event(room, event_id, ghost)
        assert event is not None
        newest = event["unsigned"]["m.relations"]["m.replace"]["content"]["m.new_content"]
        assert newest["body"] == content["body"]
        assert newest.get("formatted_body") == content.get("formatted_body")


async def test_a_much_longer_event_is_refused(homeserver: Homeserver, room: str) -> None:
    """The limit is real, and close to the limit of the bridge."""
    ghost = homeserver.namespace.user_id(GHOST)
    content = message("ж" * 8000, mark="m")
    filler = 65_536 - wire_size(content)
    assert filler > 0
    with pytest.raises(HomeserverRefused, match="M_TOO_LARGE"):
        await homeserver.send(room, content | {"filler": "x" * filler}, txn_id="too-long", as_user=ghost)
