"""The extras of an answer are read back as they were stored, by this program and by earlier ones."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_bridge.core.answers import AnswerExtras, AnswerFile, MediaFile, Notice, Op, Part, Speech, SpokenPiece
from agent_bridge.core.file_key import FileKey
from agent_bridge.render.attachment import file_message
from agent_bridge.store.extras import extras_from_json, extras_to_json

TEXTS = st.text(max_size=20)
KEYS = st.none() | st.builds(FileKey, TEXTS, TEXTS, TEXTS)
SIZES = st.none() | st.integers(1)
MEDIA = st.builds(MediaFile, TEXTS, TEXTS, st.integers(0), SIZES, SIZES, key=KEYS)
FILES = st.builds(AnswerFile, MEDIA, TEXTS, st.none() | MEDIA, st.none() | TEXTS)
OPS = st.builds(
    Op,
    st.integers(Part.ACTIVITY_THREAD[-1], Part.ACTIVITY),
    TEXTS,
    notice=st.booleans(),
    live=st.booleans(),
    plain=st.none() | TEXTS,
    thread_of=st.none() | st.just(Part.ACTIVITY),
)
PICTURE = AnswerFile(
    MediaFile("mxc://example.org/cat", "image/png", 9000, 1600, 1200),
    "cat.png",
    MediaFile("mxc://example.org/small", "image/jpeg", 90, 800, 600),
    "LEHV6nWB",
)
VOICE = SpokenPiece(MediaFile("mxc://example.org/voice", "audio/ogg", 9, key=FileKey("k", "i", "h")), 1500, (0, 1024))
TEXT_FILE = AnswerFile(MediaFile("mxc://example.org/rest", "text/markdown", 5), "answer.md")


@given(
    st.builds(
        AnswerExtras,
        st.none() | st.builds(Notice, TEXTS, TEXTS),
        st.lists(OPS, max_size=3).map(tuple),
        st.lists(FILES, max_size=3).map(tuple),
        st.booleans(),
        st.lists(TEXTS, max_size=3).map(tuple),
        st.none() | st.builds(Speech, st.just((VOICE,)), TEXTS),
    )
)
def test_extras_come_back_as_they_were_stored(extras: AnswerExtras) -> None:
    assert extras_from_json(json.loads(json.dumps(extras_to_json(extras)))) == extras


def test_nothing_is_stored_where_the_room_was_told_nothing() -> None:
    """The query for failures that were announced relies on null."""
    assert extras_to_json(AnswerExtras())["notice"] is None
    assert extras_to_json(AnswerExtras(Notice("⚠️")))["notice"] is not None


def test_the_column_s_default_holds_nothing() -> None:
    assert extras_from_json({}) == AnswerExtras()


@pytest.mark.parametrize(
    ("stored", "notice"),
    [
        ("", None),
        ("⚠️ No answer: it broke.", Notice("⚠️ No answer: it broke.")),
        (
            "⚠️ No answer: it broke.\n\n<details><summary>Details</summary>\n\n```\n500 {oops}\n```\n\n</details>",
            Notice("⚠️ No answer: it broke.", "500 {oops}"),
        ),
        (
            "⚠️ Нет.\n\n<details><summary>Подробности</summary>\n\n`````\n````\n</details>\n\nb\n`````\n\n</details>",
            Notice("⚠️ Нет.", "````\n</details>\n\nb"),
        ),
    ],
)
def test_a_notice_that_an_earlier_program_stored(stored: str, notice: Notice | None) -> None:
    assert extras_from_json({"notice": stored}).notice == notice


def test_messages_and_files_that_an_earlier_program_stored() -> None:
    op: dict[str, Any] = {"part": -1, "text": "💭", "notice": True, "live": False, "plain": "💭", "thread_of": None}
    files = [file_message(TEXT_FILE), file_message(PICTURE)]
    stored = {"notice": "", "activity": [op], "files": files, "rest": True}
    assert extras_from_json(stored) == AnswerExtras(
        activity=(Op(-1, "💭", notice=True, plain="💭"),), files=(TEXT_FILE, PICTURE), rest=True
    )
