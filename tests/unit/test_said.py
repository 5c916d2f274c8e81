"""The words and files of events of every type."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.core.payloads import MessagePayload
from agent_bridge.matrix.attachments import attachment_of
from agent_bridge.matrix.events import clean
from agent_bridge.matrix.said import SPOKEN_TYPES, is_quiet, message_of, text_of_html, without_fallback

URL = "mxc://example.org/x"
PICTURE = {"body": "cat.png", "url": URL, "info": {"mimetype": "image/png"}}
IMAGE = attachment_of({"msgtype": "m.image", **PICTURE})


@pytest.mark.parametrize(
    ("kind", "content", "said"),
    [
        pytest.param(
            "m.sticker", PICTURE | {"body": "a cat"},
            MessagePayload("a cat", attachment_of({"msgtype": "m.image", **PICTURE, "body": "a cat"}), form="sticker"),
            id="sticker",
        ),
        pytest.param("m.sticker", {"body": "a cat"}, MessagePayload("a cat", form="sticker"), id="sticker, no picture"),
        pytest.param("m.sticker", {"info": {}}, None, id="empty sticker"),
        pytest.param(
            "m.room.message",
            {"msgtype": "m.location", "body": "Home", "geo_uri": "geo:1,2"},
            MessagePayload("Home\ngeo:1,2", form="location"),
            id="location",
        ),
        pytest.param(
            "m.room.message",
            {"msgtype": "m.location", "body": "Location: geo:1,2", "geo_uri": "geo:1,2"},
            MessagePayload("Location: geo:1,2", form="location"),
            id="location whose text names the place",
        ),
        pytest.param(
            "m.room.message",
            {
                "msgtype": "dm.filament.gallery",
                "body": "Look!",
                "itemtypes": [{"itemtype": "m.image", **PICTURE}, "junk", {"itemtype": "m.text"}] * 2,
            },
            MessagePayload("Look!", IMAGE, others=(IMAGE,) if IMAGE else ()),
            id="gallery",
        ),
        pytest.param("m.room.message", {"msgtype": "m.gallery", "itemtypes": 5}, None, id="gallery of junk"),
        pytest.param(
            "m.poll.start",
            {"m.poll": {"question": {"m.text": [{"body": "Tea?"}]}, "answers": [{"m.text": [{"body": "Yes"}]}, 5]}},
            MessagePayload("Tea?\n- Yes", form="poll"),
            id="poll",
        ),
        pytest.param(
            "org.matrix.msc3381.poll.start",
            {"org.matrix.msc3381.poll.start": {"question": {"org.matrix.msc1767.text": "Tea?"}, "answers": "junk"}},
            MessagePayload("Tea?", form="poll"),
            id="poll, unstable",
        ),
        pytest.param("m.poll.start", {"m.text": "Tea?"}, MessagePayload("Tea?", form="poll"), id="poll, fallback"),
        pytest.param("m.poll.start", {"m.poll": {"question": 5}}, None, id="poll of junk"),
        pytest.param("m.call.invite", {"m.text": "call"}, None, id="call"),
        pytest.param("org.x", {"m.text": [{"body": "hi"}]}, MessagePayload("hi", form="org.x"), id="another type"),
        pytest.param(
            "m.room.message", {"msgtype": "m.text", "m.text": "hi"}, MessagePayload("hi"), id="extensible text alone"
        ),
        pytest.param(
            "m.room.message",
            {"msgtype": "m.text", "body": " ", "formatted_body": "<p>a</p>\n<ul><li>b &amp; c</li></ul>"},
            MessagePayload("a\nb & c"),
            id="HTML alone",
        ),
    ],
)  # fmt: skip
def test_what_a_person_says(kind: str, content: dict[str, Any], said: MessagePayload | None) -> None:
    assert message_of(kind, content) == said


@pytest.mark.parametrize(
    ("body", "rest"),
    [
        ("> <@a:x> old\n> more\n\nnew", "new"),
        ("> * <@a:x> waves\n\nnew", "new"),
        ("> <Alice> old\nnew", "> <Alice> old\nnew"),
        ("> <https://example.org> is down\n\nIs it?", "> <https://example.org> is down\n\nIs it?"),
        ("> <div> closes\n\nWhy?", "> <div> closes\n\nWhy?"),
        ("> <@a:x> old\n\n> mine\n\nnew", "> mine\n\nnew"),
        ("> only this sentence\n\nWhat does it mean?", "> only this sentence\n\nWhat does it mean?"),
        ("> <@a:x> old", ""),
        (">not a quotation", ">not a quotation"),
        ("new\n> <@a:x> old", "new\n> <@a:x> old"),
    ],
)
def test_only_a_quotation_of_a_client_is_left_out(body: str, rest: str) -> None:
    reply = {"m.relates_to": {"m.in_reply_to": {"event_id": "$x"}}}
    assert without_fallback(body, reply) == rest
    assert without_fallback(body, {}) == body


def test_a_quotation_of_a_client_may_have_a_display_name() -> None:
    reply = {"m.relates_to": {"m.in_reply_to": {"event_id": "$x"}}}
    html = "<mx-reply><blockquote>old</blockquote></mx-reply>new"
    assert without_fallback("> <Alice> old\nnew", reply | {"formatted_body": html}) == "new"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<mx-reply><blockquote>old</blockquote></mx-reply>new", "new"),
        ("<h1>A</h1><p>b<br/>c</p>", "A\nb\nc"),
        ("<script>x</script>a <b>b</b>", "a b"),
        ("a<", "a<"),
        ("</mx-reply>a", "a"),
        ("a<!-- <b>b</b> -->c<!-- d", "ac"),
        ("1 < 2 &amp;&amp; 3 > 2", "1 < 2 && 3 > 2"),
    ],
)
def test_text_of_html(html: str, text: str) -> None:
    assert text_of_html(html) == text


@pytest.mark.parametrize("piece", ["<a ", "<!--", "<", "</", "<mx-reply>", "<a href='", "&"])
def test_the_text_of_any_html_takes_little_time(piece: str) -> None:
    html = piece * (60_000 // len(piece))
    begin = time.process_time()
    text_of_html(html)
    assert time.process_time() - begin < 0.5


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from([URL, "m.image", "geo:1,2"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
KEYS = ["msgtype", "body", "formatted_body", "geo_uri", "itemtypes", "m.poll", "m.text", "url", "question", "answers"]


@given(
    st.sampled_from([*SPOKEN_TYPES, "m.room.message", "org.example.x"]),
    st.dictionaries(st.sampled_from(KEYS), JSON | st.dictionaries(st.sampled_from(KEYS), JSON)),
    st.none() | st.sampled_from(["m.text", "m.location", "m.gallery", "m.image", "m.notice"]),
)
def test_any_content(kind: str, content: dict[str, Any], msgtype: str | None) -> None:
    content = content if msgtype is None else content | {"msgtype": msgtype}
    is_quiet(kind, content)
    said = message_of(kind, content)
    if said is not None:
        assert said.body.strip() or said.files
        assert said.body == clean(said.body)
        assert said.form == clean(said.form)
