"""Encrypted rooms, with clients of another implementation."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pytest
from mautrix.api import Method
from mautrix.api import Path as ApiPath

from agent_bridge.bridge.inbound import opener
from agent_bridge.core.errors import StoreError
from agent_bridge.core.keys import KeyNewsKind
from agent_bridge.store.history import Histories
from agent_bridge.store.sealed import SealedEvents
from support.conditions import eventually
from support.encrypted_person import ALGORITHM, EncryptedPerson, encrypted_person
from support.harness import PREFIX
from support.scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence
    from pathlib import Path
    from typing import Any, LiteralString

    from nio import RoomKeyRequest

    from agent_bridge.core.keys import KeyNews
    from agent_bridge.encryption.vault import Vault
    from support.harness import BridgeHarness, Running
    from support.postgres import Server

pytest.importorskip("vodozemac")
#: Seconds for which a missing key holds the messages behind it.
WAIT = 2.0
NO_KEY = "I cannot read this message"


@dataclass(frozen=True)
class Scene:
    """A bridge with keys and two agents, and a person."""

    harness: BridgeHarness
    running: Running
    upstream: ScriptedUpstream
    person: EncryptedPerson
    folder: Path
    ghosts: tuple[str, ...]
    #: The encrypted direct chat with the first agent.
    room_id: str

    @property
    def vault(self) -> Vault:
        """The keys of the bridge."""
        from agent_bridge.encryption.homeserver import EncryptedHomeserver

        assert isinstance(self.running.homeserver, EncryptedHomeserver)
        return self.running.homeserver._vault

    @asynccontextmanager
    async def other(self, name: str | None = None) -> AsyncIterator[EncryptedPerson]:
        """Open the client of another person, or another one of the person called *name*."""
        async with encrypted_person(self.harness, self.folder, name) as person:
            yield person

    async def group(self, *invite: str, agents: int = 1) -> str:
        """Begin an encrypted room of the person with the first *agents* and the users *invite*."""
        ghosts = self.ghosts[:agents]
        room_id = await self.person.create_room(*ghosts, *invite, direct=False)
        for ghost in ghosts:
            await self.person.meets(room_id, ghost)
        return room_id

    @asynccontextmanager
    async def second(self) -> AsyncIterator[EncryptedPerson]:
        """Open another client of the person, of whose device the first one has heard."""
        user = self.person.user_id
        async with self.other(user[1:].partition(":")[0]) as second:

            async def heard() -> bool:
                return second.client.device_id in {device.id for device in self.person.devices(user)}

            await eventually(heard, "the first client knows the second device")
            yield second

    async def exchange(
        self,
        room_id: str,
        text: str,
        reader: EncryptedPerson | None = None,
        *,
        speaker: EncryptedPerson | None = None,
        mention: bool = False,
    ) -> None:
        """Say *text* to the first agent, and wait until *reader* has read the answer."""
        mentions = {"m.mentions": {"user_ids": [self.ghosts[0]]}} if mention else {}
        await (speaker or self.person).say(room_id, text, **mentions)
        await (reader or self.person).hears(room_id, self.ghosts[0], text)

    async def answers(self, room_id: str, ghost: str | None = None) -> list[dict[str, Any]]:
        """Return the messages of an agent, by default the first, as the homeserver has them."""
        kinds = {"m.room.message", "m.room.encrypted"}
        events = await self.person.raw(room_id)
        return [event for event in events if event["sender"] == (ghost or self.ghosts[0]) and event["type"] in kinds]

    async def finds(self, query: LiteralString, *values: object) -> None:
        """Wait until the first column of the first row of *query* is true."""

        async def found() -> bool:
            row = await self.running.database.row(query, values)
            return row is not None and all(row.values())

        await eventually(found, query)


@pytest.fixture(scope="module")
async def scene(
    harness: BridgeHarness, postgres: Server, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Scene]:
    folder = tmp_path_factory.mktemp("clients")
    with postgres.migrated() as url:
        async with ScriptedUpstream("ada", "bea") as upstream, encrypted_person(harness, folder) as person:
            encryption = {"allow": True, "wait": WAIT}
            config = harness.config(url, [{"name": "u", "url": upstream.url}], encryption=encryption)
            async with harness.bridge(config) as running:
                user_id = running.homeserver.namespace.user_id
                ghosts = [user_id((await running.contact(name)).agent.ghost) for name in upstream.names]
                room_id = await person.create_room(ghosts[0])
                await person.meets(room_id, ghosts[0])
                yield Scene(harness, running, upstream, person, folder, tuple(ghosts), room_id)


async def test_a_chat_is_encrypted_both_ways(scene: Scene) -> None:
    """Edits, threads, commands and answers that grow look like those in other rooms."""
    person, ghost = scene.person, scene.ghosts[0]
    room_id = scene.room_id
    asked = await person.say(room_id, "hello")
    await person.hears(room_id, ghost, "Echo: hello")
    relation = {"rel_type": "m.replace", "event_id": asked}
    new = {"msgtype": "m.text", "body": "hello again"}
    await person.say(room_id, "* hello again", **{"m.new_content": new, "m.relates_to": relation})
    await person.hears(room_id, ghost, "Echo: hello again")
    thread = {"rel_type": "m.thread", "event_id": asked, "is_falling_back": True, "m.in_reply_to": {"event_id": asked}}
    await person.say(room_id, "in a thread", **{"m.relates_to": thread})
    await person.hears(room_id, ghost, "in a thread")
    await person.say(room_id, f"{PREFIX} help new")
    await person.hears(room_id, ghost, f"{PREFIX} new")
    events = [event for event in await person.raw(room_id) if event["sender"] == ghost and "state_key" not in event]
    answers = [event for event in events if event["type"] == "m.room.encrypted"]
    assert {event["type"] for event in events} <= {"m.room.encrypted", "m.reaction", "m.room.redaction"}
    assert "m.thread" in {event["content"].get("m.relates_to", {}).get("rel_type") for event in answers}
    assert not person.unread.get(room_id)


async def test_the_device_of_an_agent_is_signed_by_its_user(scene: Scene) -> None:
    ghost, (device,) = scene.ghosts[0], scene.person.devices(scene.ghosts[0])
    keys = await scene.person.query_keys(ghost)
    (signing_key,) = keys["self_signing_keys"][ghost]["keys"]
    assert signing_key in keys["device_keys"][ghost][device.id]["signatures"][ghost]


async def test_a_new_device_reads_the_next_answer(scene: Scene) -> None:
    room_id = scene.room_id
    await scene.exchange(room_id, "one")
    async with scene.second() as second:
        await second.knows(room_id)
        device = second.client.device_id
        await scene.finds("SELECT true FROM encryption.crypto_device WHERE device_id = %s", device)
        await scene.exchange(room_id, "two", second)


@pytest.mark.long
async def test_a_device_of_which_the_bridge_did_not_hear_reads_the_next_answer(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is away, and the homeserver repeats the transaction without the news about devices."""
    room_id, refused = scene.room_id, asyncio.Event()
    await scene.exchange(room_id, "one")
    add_news = SealedEvents.add_news

    async def refuse(self: SealedEvents, news: Sequence[KeyNews], everybody: Collection[str]) -> None:
        if not refused.is_set() and any(each.kind == KeyNewsKind.CHANGED for each in news):
            refused.set()
            raise StoreError("the database is away")
        await add_news(self, news, everybody)

    monkeypatch.setattr(SealedEvents, "add_news", refuse)
    async with scene.second() as second:
        await second.knows(room_id)
        await refused.wait()
        device = second.client.device_id
        await scene.finds("SELECT true FROM encryption.crypto_device WHERE device_id = %s", device)
        await scene.exchange(room_id, "two", second)


async def test_those_who_join_read_and_those_who_leave_do_not(scene: Scene) -> None:
    async with scene.other() as guest:
        room_id = await scene.group(guest.user_id)
        await guest.join(room_id)
        await scene.person.meets(room_id, guest.user_id)
        await scene.exchange(room_id, "to both", guest, mention=True)
        shared = (await scene.answers(room_id))[-1]["content"]["session_id"]
        await guest.client.room_leave(room_id)
        await scene.finds(
            "SELECT true FROM encrypted_room r JOIN encryption.room_session s USING (room_id) "
            "WHERE room_id = %s AND r.version > s.version",
            room_id,
        )
        await scene.exchange(room_id, "to one", mention=True)
        assert (await scene.answers(room_id))[-1]["content"]["session_id"] != shared


async def test_a_late_key_holds_the_messages_behind_it(scene: Scene) -> None:
    room_id, person = scene.room_id, scene.person
    async with scene.second() as second:
        await second.meets(room_id, scene.ghosts[0])
        async with person.withholding(room_id):
            late = await person.say(room_id, "the key is late")
            await second.say(room_id, "the key is there")
            await scene.finds("SELECT true FROM sealed_event WHERE event_id = %s AND is_asked", late)
            await person.give_key()
        await person.hears(room_id, scene.ghosts[0], "Echo: the key is there")
    said = person.bodies(room_id, scene.ghosts[0])
    assert said.index("Echo: the key is late") < said.index("Echo: the key is there")


@pytest.mark.long
async def test_a_backfill_leaves_messages_behind_a_late_key(scene: Scene) -> None:
    room_id, person = scene.room_id, scene.person
    async with scene.second() as second:
        await second.meets(room_id, scene.ghosts[0])
        async with person.withholding(room_id):
            late = await person.say(room_id, "a backfill finds the late one")
            await scene.finds("SELECT true FROM sealed_event WHERE event_id = %s", late)
            # On a slow machine the wait would be over.
            query = "UPDATE sealed_event SET received_at = now() + interval '1 minute' WHERE event_id = %s"
            await scene.running.database.execute(query, [late])
            found = await second.say(room_id, "and the one behind it")
            query = "SELECT true FROM sealed_event JOIN encryption.session_owner USING (session_id) WHERE event_id = %s"
            await scene.finds(query, found)
            await Histories(scene.running.database).require_backfill()
            await scene.finds("SELECT NOT needs_backfill AS yes FROM room WHERE room_id = %s", room_id)
            await person.give_key()
        await person.hears(room_id, scene.ghosts[0], "Echo: and the one behind it")
        await person.hears(room_id, scene.ghosts[0], "Echo: a backfill finds the late one")
    said = person.bodies(room_id, scene.ghosts[0])
    assert said.index("Echo: a backfill finds the late one") < said.index("Echo: and the one behind it")


async def test_a_message_without_a_key_is_reported_once_for_its_session(scene: Scene) -> None:
    room_id, person = scene.room_id, scene.person
    async with scene.second() as second:
        await second.meets(room_id, scene.ghosts[0])
        async with person.withholding(room_id):
            lost = [await person.say(room_id, f"nobody reads {each}") for each in ("this", "that")]
        await scene.exchange(room_id, "this goes on", speaker=second)
        await scene.finds("SELECT count(*) = 2 AS yes FROM sealed_event WHERE event_id = ANY(%s) AND is_told", lost)
    notices = [event for event in person.read[room_id] if NO_KEY in event.source["content"].get("body", "")]
    replies = [event.source["content"]["m.relates_to"]["m.in_reply_to"]["event_id"] for event in notices]
    assert [event_id for event_id in replies if event_id in lost] == lost[:1]


@pytest.mark.long
async def test_many_messages_without_keys_hold_the_room_for_the_first_ones(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opener, "_RETRY", 0.1)
    room_id, person = await scene.group(), scene.person
    for number in range(20):
        content = {"algorithm": ALGORITHM, "session_id": f"{number:043d}", "ciphertext": "x"}
        await person.send_plain(room_id, "m.room.encrypted", content)
    await scene.exchange(room_id, "behind them", mention=True)
    held = "SELECT count(*) < 10 AS few FROM sealed_event WHERE room_id = %s AND is_asked"
    row = await scene.running.database.row(held, (room_id,))
    assert row == {"few": True}


@pytest.mark.long
async def test_a_key_that_comes_after_the_notice_opens_the_message(scene: Scene) -> None:
    room_id, person = scene.room_id, scene.person
    async with person.withholding(room_id):
        late = await person.say(room_id, "the key comes after all")
        await scene.finds("SELECT true FROM sealed_event WHERE event_id = %s AND is_told", late)
        await person.give_key()
    await person.hears(room_id, scene.ghosts[0], "Echo: the key comes after all")


@pytest.mark.long
async def test_a_forwarded_key_opens_the_messages_of_its_owner(scene: Scene) -> None:
    """The answer of another user to a request opens nothing."""
    room_id, person = await scene.group(), scene.person
    async with scene.other() as stranger:
        await stranger.create_room(scene.ghosts[0])
        async with person.withholding(room_id):
            late = await person.say(room_id, "on request", **{"m.mentions": {"user_ids": [scene.ghosts[0]]}})

            async def asked() -> RoomKeyRequest | None:
                return next((each for each in person.requests if each.room_id == room_id), None)

            request = await eventually(asked, "the bridge asks for the key")
            stranger.steal(person)
            await stranger.forward(request)
            await scene.finds("SELECT true FROM sealed_event WHERE event_id = %s AND is_told", late)
            await person.forward(request)
            await person.hears(room_id, scene.ghosts[0], "on request")


async def test_a_repeated_ciphertext_is_not_answered_again(scene: Scene) -> None:
    room_id, person = scene.room_id, scene.person
    await scene.exchange(room_id, "only once")
    asked = [event for event in await person.raw(room_id) if event["sender"] == person.user_id]
    await person.send_plain(room_id, "m.room.encrypted", asked[-1]["content"])
    await scene.exchange(room_id, "after that")
    assert [body for body in person.bodies(room_id, scene.ghosts[0]) if "only once" in body] == ["Echo: only once"]


async def test_strange_events_do_not_stop_the_room(scene: Scene) -> None:
    room_id, person = scene.room_id, scene.person
    await scene.exchange(room_id, "before")
    before = len([body for body in person.bodies(room_id, scene.ghosts[0]) if NO_KEY in body])
    session = (await scene.answers(room_id))[-1]["content"]["session_id"]
    for content in (
        {},
        {"algorithm": ALGORITHM},
        {"algorithm": ALGORITHM, "session_id": 7, "ciphertext": {"a": []}},
        {"algorithm": ALGORITHM, "session_id": "\0", "ciphertext": "x"},
        {"algorithm": ALGORITHM, "session_id": session, "ciphertext": "x" * 50_000},
        {"algorithm": "m.olm.v1.curve25519-aes-sha2", "session_id": session, "ciphertext": "x"},
    ):
        await person.send_plain(room_id, "m.room.encrypted", content)
    for kind in ("m.room.encrypted", "m.room.redaction"):
        await person.send(room_id, kind, {"redacts": "$event", "algorithm": ALGORITHM})
    await scene.exchange(room_id, "behind them")
    notices = [body for body in person.bodies(room_id, scene.ghosts[0]) if NO_KEY in body]
    assert len(notices) - before <= 5


async def test_a_redacted_message_without_a_key_is_forgotten(scene: Scene) -> None:
    room_id, person = scene.room_id, scene.person
    async with person.withholding(room_id):
        lost = await person.say(room_id, "never mind")
        await scene.finds("SELECT true FROM sealed_event WHERE event_id = %s", lost)
        await person.client.room_redact(room_id, lost)
        await scene.finds("SELECT count(*) = 0 AS yes FROM sealed_event WHERE event_id = %s", lost)
        await person.give_key()
    await scene.exchange(room_id, "something else")
    assert "Echo: never mind" not in person.bodies(room_id, scene.ghosts[0])


async def test_a_message_that_is_redacted_while_it_is_opened_is_not_answered(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_id, person = scene.room_id, scene.person
    opened, redacted = asyncio.Event(), asyncio.Event()
    vault = scene.vault
    decrypt = vault.decrypt

    async def slowly(event: Mapping[str, Any]) -> dict[str, Any]:
        found = await decrypt(event)
        opened.set()
        await redacted.wait()
        return found

    monkeypatch.setattr(vault, "decrypt", slowly)
    sent = await person.say(room_id, "not meant for you")
    await opened.wait()
    await person.client.room_redact(room_id, sent)
    await scene.finds("SELECT count(*) = 0 AS yes FROM sealed_event WHERE event_id = %s", sent)
    redacted.set()
    await scene.exchange(room_id, "this is meant")
    assert "Echo: not meant for you" not in person.bodies(room_id, scene.ghosts[0])


async def test_long_answers_in_any_script_fit_events(scene: Scene) -> None:
    """An edit of a growing part is the longest event, and its ciphertext is a third longer."""
    room_id, text = scene.room_id, "**абвгдежзик** " * 330

    async def grows(_question: str) -> AsyncIterator[str]:
        yield text[:100]
        await scene.person.hears(room_id, scene.ghosts[0], "абвгдежзик")
        yield f"{text[100:]} the end"

    scene.upstream.scripts.append(grows)
    await scene.person.say(room_id, "much, please")
    await scene.person.hears(room_id, scene.ghosts[0], "the end")


async def test_encryption_of_which_the_bridge_was_not_told(scene: Scene) -> None:
    """As after a transaction that the homeserver lost."""
    room_id, person = await scene.group(), scene.person
    await scene.finds("SELECT is_encrypted FROM encrypted_room WHERE room_id = %s", room_id)
    await scene.running.database.execute(
        "UPDATE encrypted_room SET is_encrypted = false WHERE room_id = %s", (room_id,)
    )
    scene.vault._encrypted.clear()
    await person.say(room_id, "in secret")
    await person.hears(room_id, scene.ghosts[0], "in secret")
    assert {event["type"] for event in await scene.answers(room_id)} == {"m.room.encrypted"}


async def test_a_room_in_use_becomes_encrypted(scene: Scene) -> None:
    person, ghost = scene.person, scene.ghosts[1]
    room_id = await person.create_room(ghost, encrypted=False)

    async def there() -> bool:
        user = person.client.rooms[room_id].users.get(ghost)
        return user is not None and not user.invited

    await eventually(there, "the agent is there")
    await person.say(room_id, "in the clear")
    await person.hears(room_id, ghost, "Echo: in the clear")
    await person.set_encryption(room_id)
    await person.meets(room_id, ghost)
    await person.say(room_id, "in secret")
    await person.hears(room_id, ghost, "Echo: in secret")
    kinds = [event["type"] for event in await scene.answers(room_id, ghost)]
    assert kinds == ["m.room.message", "m.room.encrypted"]


async def test_a_session_is_replaced_as_the_room_wants(scene: Scene) -> None:
    room_id = await scene.group()
    await scene.person.set_encryption(room_id, rotation_period_msgs=1)
    for text in ("the first", "the second"):
        await scene.exchange(room_id, text, mention=True)
    sessions = [event["content"]["session_id"] for event in await scene.answers(room_id)]
    assert len({*sessions}) == len(sessions) > 1


@pytest.mark.long
async def test_agents_of_one_room_answer(scene: Scene) -> None:
    room_id, person = await scene.group(agents=2), scene.person
    for ghost in scene.ghosts:
        await person.say(room_id, f"for {ghost}", **{"m.mentions": {"user_ids": [ghost]}})
        await person.hears(room_id, ghost, f"for {ghost}")
    assert not person.unread.get(room_id)


async def test_a_channel_that_does_not_work_any_more_is_replaced(scene: Scene) -> None:
    room_id, person = scene.room_id, scene.person
    (device,) = person.devices(scene.ghosts[0])
    await scene.exchange(room_id, "the channel works")
    broken = person.channel(device)
    await scene.running.database.execute("DELETE FROM encryption.crypto_olm_session")
    person.rotate(room_id)
    await person.say(room_id, "the key is lost")

    async def replaced() -> bool:
        return person.channel(device) != broken

    await eventually(replaced, "the client has a new channel")
    person.rotate(room_id)
    await scene.exchange(room_id, "the channel works again")


async def test_used_up_keys_are_replaced(scene: Scene) -> None:
    """One client after the other needs a key of its own; the fallback key serves those who find none."""
    room_id, person, ghost = scene.room_id, scene.person, scene.ghosts[0]
    (device,) = person.devices(ghost)

    claimed = [await person.claim_key(ghost, device.id) for _ in range(60)]
    assert len({*claimed}) > 20
    await scene.exchange(room_id, "still there")

    async def renewed() -> bool:
        return await person.claim_key(ghost, device.id) not in claimed

    await eventually(renewed, "there are new keys")
    await eventually(partial(_has_fallback, scene, ghost, device.id), "there is a new fallback key")


async def _has_fallback(scene: Scene, ghost: str, device_id: str) -> bool:
    """Tell whether the homeserver has a fallback key of a device that nobody has claimed."""
    query = {"device_id": device_id, "timeout": "0", "filter": '{"room": {"rooms": []}}'}
    answer = await scene.running.homeserver.request(Method.GET, ApiPath.v3.sync, as_user=ghost, query=query)
    return "signed_curve25519" in answer["device_unused_fallback_key_types"]


async def test_messages_in_a_session_use_no_keys_up(scene: Scene) -> None:
    """Synapse counts the keys of cross-signing keys, too: none are uploaded for these."""
    query = "SELECT account_id, account FROM encryption.crypto_account ORDER BY account_id"

    async def processed() -> bool:
        return not await scene.running.database.rows("SELECT true FROM encryption.inbox LIMIT 1")

    # The homeserver tells with each message that the keys of the tests before are used up, until it has new ones.
    for text in ("with the keys that there are", "with those that were uploaded"):
        await scene.exchange(scene.room_id, text)
        await eventually(processed, "the news about keys are processed")
    before = await scene.running.database.rows(query)
    for text in ("another one", "and one more"):
        await scene.exchange(scene.room_id, text)
    await eventually(processed, "the news about keys are processed")
    assert await scene.running.database.rows(query) == before


async def test_two_processes_use_each_place_of_a_session_once(scene: Scene) -> None:
    from agent_bridge.encryption.homeserver import EncryptedHomeserver
    from agent_bridge.encryption.vault import Vault

    homeserver = scene.running.homeserver
    assert isinstance(homeserver, EncryptedHomeserver)
    first, ghost = homeserver._vault, scene.ghosts[0]
    await scene.exchange(scene.room_id, "before two of them write")
    async with Vault(scene.running.database.uri, homeserver, "as-token-of-agent-bridge") as second:
        contents = await asyncio.gather(
            *(
                vault.encrypt(ghost, scene.room_id, "m.room.message", {"body": "hi"}, f"{number}.{at}")
                for number in range(10)
                for at, vault in enumerate((first, second))
            )
        )
    # The index of a message follows the version and a tag (spec, "Megolm", "Message format").
    places = [(each["session_id"], b64decode(each["ciphertext"][:8])[2]) for each in contents]
    assert len({*places}) == len(places) == 20


async def test_keys_that_the_database_has_forgotten_are_left_out(scene: Scene) -> None:
    """The homeserver has one-time keys under the names of the next ones, as after a loss of the last changes."""
    room_id, person, ghost = scene.room_id, scene.person, scene.ghosts[0]
    (device,) = person.devices(ghost)
    query = "SELECT account FROM encryption.crypto_account WHERE account_id = %s"
    before = await scene.running.database.row(query, (ghost,))
    assert before is not None
    for uses in (10, 5):
        for _ in range(uses):
            await person.claim_key(ghost, device.id)
        await scene.exchange(room_id, f"{uses} keys are used")
        await eventually(partial(_has_keys, scene, ghost, device.id), "the used keys are replaced")
        query = "UPDATE encryption.crypto_account SET account = %s WHERE account_id = %s"
        await scene.running.database.execute(query, (before["account"], ghost))


async def _has_keys(scene: Scene, ghost: str, device_id: str) -> bool:
    machine = await scene.vault._operations.machine(ghost, device_id)
    return int((await machine.client.upload({}))["one_time_key_counts"]["signed_curve25519"]) >= 25


async def test_many_messages_to_a_device_hold_nobody(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    from agent_bridge.encryption import device_inbox

    monkeypatch.setattr(device_inbox, "_SLICE", 0.1)
    database, ghost = scene.running.database, scene.ghosts[0]
    (device,) = scene.person.devices(ghost)
    message = {"type": "m.room.encrypted", "sender": "@many:test.local", "to_device_id": device.id, "content": {}}
    query = """
        INSERT INTO encryption.inbox (user_id, kind, content, sender)
        SELECT %s, 'to_device', replace(%s, '{}', '{"number": ' || number || '}'), '@many:test.local'
        FROM generate_series(1, 2000) AS number
    """
    await database.execute(query, (ghost, json.dumps(message)))
    scene.person.rotate(scene.room_id)
    await scene.exchange(scene.room_id, "with a new key")
    row = await database.row("DELETE FROM encryption.inbox WHERE sender = '@many:test.local' RETURNING true AS any")
    assert row is not None


async def test_old_ciphertexts_are_deleted(scene: Scene) -> None:
    await scene.exchange(scene.room_id, "before the deletion")
    database = scene.running.database
    await database.execute("UPDATE encryption.ciphertext SET created_at = now() - interval '3 days'")
    await scene.exchange(scene.room_id, "and behind it")
    await scene.vault.prune()
    row = await database.row(
        "SELECT count(*) FILTER (WHERE created_at < now() - interval '2 days') AS old, count(*) "
        "AS all FROM encryption.ciphertext"
    )
    assert row is not None
    assert (row["old"], row["all"] > 0) == (0, True)
