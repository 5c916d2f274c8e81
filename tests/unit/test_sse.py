"""Server-sent events: any bytes, cut into chunks anywhere."""

from __future__ import annotations

import codecs
from itertools import pairwise

import pytest
from httpx_sse import _decoders
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.core.errors import UpstreamProtocolError
from agent_bridge.upstream.transport.sse import Event, EventParser


def parse(*chunks: bytes) -> list[Event]:
    parser = EventParser()
    events = [event for chunk in chunks for event in parser.feed(chunk)]
    return events + parser.close()


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(b"\n\n\r\n\r", [], id="only blank lines"),
        pytest.param(b"data: a\n\n", [Event("a")], id="one"),
        pytest.param(b"data:a\n\n", [Event("a")], id="no space"),
        pytest.param(b"data:  a \n\n", [Event(" a ")], id="only one space belongs to the field"),
        pytest.param(b"data: a\n\ndata: b\n\n", [Event("a"), Event("b")], id="two"),
        pytest.param(b"data: a\r\n\r\ndata: b\r\n\r\n", [Event("a"), Event("b")], id="CRLF"),
        pytest.param(b"data: a\r\rdata: b\r\r", [Event("a"), Event("b")], id="CR"),
        pytest.param(b"data: a\r\n\ndata: b\n\r\n", [Event("a"), Event("b")], id="mixed line ends"),
        pytest.param(b"data: a\ndata: b\ndata:\n\n", [Event("a\nb\n")], id="several lines of data"),
        pytest.param(b"data\n\n", [], id="a field without a value"),
        pytest.param(b"data:\n\n", [], id="empty data"),
        pytest.param(b"data: a\n\ndata:   \n\ndata:\ndata:\n\ndata: b\n\n", [Event("a"), Event("b")], id="blank data"),
        pytest.param(b'data: data: {"a"}\n\n', [Event('{"a"}')], id="the field twice"),
        pytest.param(b'data:data:data:{"a"}\n\n', [Event('{"a"}')], id="the field three times"),
        pytest.param(b"data: data: a\n\n", [Event("data: a")], id="the field's name as text"),
        pytest.param(
            b'event: x\ndata: {"a"}\ndata: {"b"}\ndata: [DONE]\n\n',
            [Event('{"a"}', "x"), Event('{"b"}', "x"), Event("[DONE]", "x")],
            id="objects without blank lines",
        ),
        pytest.param(b'data: {"a":\ndata: {"b"}\ndata: }\n\n', [Event('{"a":\n{"b"}\n}')], id="an object in lines"),
        pytest.param(b": ping\n\n:\ndata: a\n: x\n\n", [Event("a")], id="comments"),
        pytest.param(b"event: error\ndata: a\n\ndata: b\n\n", [Event("a", "error"), Event("b")], id="named"),
        pytest.param(b"data: a\nevent: error\n\n", [Event("a", "error")], id="name behind data"),
        pytest.param(b"event: error\n\ndata: a\n\n", [Event("a")], id="a name without data is forgotten"),
        pytest.param(b"id: 1\nretry: 5\nother: x\ndata: a\n\n", [Event("a")], id="other fields"),
        pytest.param(b"\xef\xbb\xbfdata: a\n\n", [Event("a")], id="byte order mark"),
        pytest.param(b"data: \xef\xbb\xbfa\n\n", [Event("\ufeffa")], id="a mark elsewhere is text"),
        pytest.param(b"data: \xff\xfe\n\n", [Event("\ufffd\ufffd")], id="no UTF-8"),
        pytest.param("data: größer 🐈\u2028\n\n".encode(), [Event("größer 🐈\u2028")], id="UTF-8"),
        pytest.param(b"data: a\n", [Event("a")], id="end without a blank line"),
        pytest.param(b"data: a", [Event("a")], id="end without a line end"),
        pytest.param(b"data: a\n\nevent: x\n", [Event("a")], id="end within an event without data"),
        pytest.param(b"<html>\n<p>\n\n", [], id="not a stream at all"),
    ],
)
def test_events(stream: bytes, events: list[Event]) -> None:
    assert parse(stream) == events
    assert parse(*(bytes([byte]) for byte in stream)) == events


def test_an_event_is_given_as_soon_as_its_blank_line_began() -> None:
    parser = EventParser()
    assert parser.feed(b"data: a\r\n\r") == [Event("a")]
    assert parser.feed(b"\n") == []
    assert parser.feed(b"") == []
    assert parser.feed(b"data: b\r") == []
    assert parser.feed(b"\ndata: c\r\r") == [Event("b\nc")]


LINES = st.one_of(
    st.sampled_from([b"data: a", b"data:", b"event: error", b": ping", b"", b"\xef\xbb\xbf", b"data: \xf0\x9f"]),
    st.text(max_size=8).map(lambda text: text.encode()),
    st.binary(max_size=8),
)
STREAMS = st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r", b"\r\n", b""]))).map(
    lambda lines: b"".join(line + end for line, end in lines)
)


@given(stream=STREAMS, cuts=st.lists(st.integers(0, 200)))
def test_chunks_do_not_matter(stream: bytes, cuts: list[int]) -> None:
    places = sorted(cut % (len(stream) + 1) for cut in cuts)
    edges = [0, *places, len(stream)]
    chunks = [stream[start:stop] for start, stop in pairwise(edges)]
    assert parse(*chunks) == parse(stream)


@given(stream=STREAMS)
def test_another_decoder_finds_the_same_events(stream: bytes) -> None:
    text = stream.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")
    decoder = _decoders.SSEDecoder()
    # The other decoder does not end the last event at the end of the stream.
    found = [decoder.decode(line) for line in _decoders.SSELineDecoder().decode(f"{text}\n\n")]
    # It also reports events without data.
    expected = [Event(event.data, event.event) for event in found if event is not None and event.data.strip()]
    assert parse(stream) == expected


@given(data=st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))))
def test_what_is_sent_arrives(data: list[str]) -> None:
    stream = "".join(f"data: {text}\n\n" for text in data).encode()
    assert parse(stream) == [Event(text) for text in data if text.strip()]


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b"data: " + b"x" * 50, id="one line"),
        pytest.param(b"data: xxxxxxxx\n" * 5, id="many lines"),
        pytest.param(b"data:\n" * 50, id="many empty lines"),
        pytest.param(b": " + b"x" * 50, id="comment"),
    ],
)
def test_an_event_without_end_is_refused(stream: bytes) -> None:
    parser = EventParser(limit=40)
    parser.feed(stream[:40])
    with pytest.raises(UpstreamProtocolError, match=r"^an event of the stream is larger than 40 bytes$"):
        parser.feed(stream[40:])


def test_the_limit_is_for_one_event() -> None:
    parser = EventParser(limit=40)
    assert len(parser.feed(b": a comment of some length\ndata: and some data\n\n" * 100)) == 100
