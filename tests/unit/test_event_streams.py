"""Messages to devices about event streams (MSC4471): which ones are requests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.core.event_streams import StreamRequest
from agent_bridge.matrix.event_streams import descriptor, new_key, opened, stream_id, stream_requests, update
from agent_bridge.matrix.key_news import key_news, may_have_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

SUBSCRIBE = "org.matrix.msc4471.stream.subscribe"
ALGORITHM = "org.matrix.msc4471.stream.v1.aes-gcm"
CONTENT = {"room_id": "!r:x", "event_id": "$e", "subscriber_device_id": "PHONE"}
REQUEST = StreamRequest(publisher="@agent:x", sender="@ann:x", room_id="!r:x", event_id="$e", device_id="PHONE")


def transaction(*messages: Mapping[str, Any], name: str = "de.sorunome.msc2409.to_device") -> bytes:
    return json.dumps({"events": [], name: messages}).encode()


def message(content: object = CONTENT, kind: object = SUBSCRIBE, **more: object) -> dict[str, Any]:
    return {"type": kind, "sender": "@ann:x", "to_user_id": "@agent:x", "content": content, **more}


@pytest.mark.parametrize("name", ["to_device", "de.sorunome.msc2409.to_device"])
def test_a_device_subscribes(name: str) -> None:
    assert stream_requests(transaction(message(), name=name)) == [REQUEST]


def test_a_device_wants_the_whole_text_or_no_more_updates() -> None:
    again = message({**CONTENT, "resync": True})
    cancel = message({**CONTENT, "code": "m.user_cancelled"}, "org.matrix.msc4471.stream.cancel")
    first, last = stream_requests(transaction(again, cancel))
    assert (first.resync, first.ends, last.resync, last.ends) == (True, False, False, True)


@pytest.mark.parametrize(
    "wrong",
    [
        message([]),
        message({**CONTENT, "room_id": 5}),
        message({**CONTENT, "event_id": ""}),
        message({**CONTENT, "subscriber_device_id": "*"}),
        message({**CONTENT, "subscriber_device_id": "x" * 256}),
        message({**CONTENT, "subscriber_device_id": "a\nb"}),
        message(kind="org.matrix.msc4471.stream.update"),
        message(kind=["org.matrix.msc4471.stream"]),
        message(sender=None),
        message(to_user_id=7),
        message({"algorithm": ALGORITHM, "stream_id": "x", "iv": 1, "ciphertext": "y"}, "m.room.encrypted"),
        message({"algorithm": ALGORITHM, "stream_id": "x", "iv": "", "ciphertext": "y" * 3000}, "m.room.encrypted"),
    ],
)
def test_a_message_of_a_wrong_form_is_no_request_and_hides_no_other(wrong: Mapping[str, Any]) -> None:
    assert stream_requests(transaction(wrong, message())) == [REQUEST]


@pytest.mark.parametrize("raw", [b"org.matrix.msc4471.stream", b'["org.matrix.msc4471.stream"]'])
def test_a_transaction_that_is_none_has_no_requests(raw: bytes) -> None:
    assert stream_requests(raw) == []


def test_a_transaction_has_so_many_requests() -> None:
    assert len(stream_requests(transaction(*[message()] * 500))) == 200


def test_requests_for_streams_are_no_news_about_keys() -> None:
    sealed = message({"algorithm": ALGORITHM, "stream_id": "x", "iv": "y", "ciphertext": "z"}, "m.room.encrypted")
    olm = message({"algorithm": "m.olm.v1.curve25519-aes-sha2"}, "m.room.encrypted")
    request = message({"action": "request"}, "m.room_key_request")
    found = key_news(transaction(message(), sealed, request, olm))
    assert [each.content for each in found if may_have_keys(each)] == [olm]


class Reversed:
    """A cipher for a test without packages: it is reversible, and knows its own ciphertexts."""

    def seal(self, key: bytes, iv: bytes, plaintext: bytes) -> bytes:
        return plaintext[::-1] + key[:4] + iv

    def open(self, key: bytes, iv: bytes, ciphertext: bytes) -> bytes | None:
        tag = key[:4] + iv
        return ciphertext[: -len(tag)][::-1] if ciphertext.endswith(tag) else None


def sealed_request(key: bytes, inner: object) -> StreamRequest:
    """Return the request that arrives, with *inner* as its plaintext."""
    content = update("!r:x", "$e", 1, "", appends=False, key=key, cipher=Reversed())
    (found,) = stream_requests(transaction(message(content, "m.room.encrypted")))
    iv, plaintext = "AAAAAAAAAAAAAAAA", json.dumps(inner).encode()
    import base64

    ciphertext = base64.b64encode(Reversed().seal(key, b"\0" * 12, plaintext)).decode()
    raw = message({**content, "iv": iv, "ciphertext": ciphertext}, "m.room.encrypted")
    (found,) = stream_requests(transaction(raw))
    return found


def test_a_sealed_request_is_opened_by_the_key_of_its_stream_only() -> None:
    key = new_key()
    request = sealed_request(key, {"type": SUBSCRIBE, "content": CONTENT})
    assert request.stream_id == stream_id(key, "!r:x", "$e")
    found = opened(request, key, Reversed())
    assert found is not None
    assert (found.room_id, found.event_id, found.device_id, found.sender) == ("!r:x", "$e", "PHONE", "@ann:x")
    assert opened(request, new_key(), Reversed()) is None


@pytest.mark.parametrize(
    "inner",
    [
        [],
        {"type": SUBSCRIBE},
        {"type": ["x"], "content": CONTENT},
        {"type": SUBSCRIBE, "content": {**CONTENT, "event_id": "$other"}},
    ],
)
def test_what_a_sealed_request_says_has_to_fit_its_stream(inner: object) -> None:
    key = new_key()
    assert opened(sealed_request(key, inner), key, Reversed()) is None


def test_a_descriptor_tells_device_life_and_key() -> None:
    (plain,) = descriptor("DEV", 600.0, None).values()
    assert plain == {"device_id": "DEV", "expiry_ms": 600_000}
    (sealed,) = descriptor("DEV", 600.0, b"\xff" * 32).values()
    assert sealed["encryption"] == {"algorithm": ALGORITHM, "key": "_" * 42 + "8"}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda x: (
            st.lists(x)
            | st.dictionaries(
                st.sampled_from(["type", "sender", "content", "to_user_id", "room_id", "event_id", "iv"]), x
            )
        ),
    )
)
def test_any_json_is_parsed(value: object) -> None:
    raw = json.dumps({"to_device": value, "mark": "org.matrix.msc4471.stream"}).encode()
    assert stream_requests(raw) == [] or isinstance(value, list)
