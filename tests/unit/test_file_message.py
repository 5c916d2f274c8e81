from __future__ import annotations

from typing import Any

import pytest

from agent_bridge.core.answers import AnswerFile, MediaFile
from agent_bridge.matrix.attachments import attachment_of
from agent_bridge.render.attachment import file_message

URL, SMALL = "mxc://example.org/large", "mxc://example.org/small"
COMMON: dict[str, Any] = {"url": URL, "m.mentions": {}}


def test_a_picture() -> None:
    picture, thumbnail = MediaFile(URL, "image/png", 9000, 1600, 1200), MediaFile(SMALL, "image/jpeg", 90, 800, 600)
    assert file_message(AnswerFile(picture, "cat.png", thumbnail, "LEHV6nWB")) == COMMON | {
        "msgtype": "m.image",
        "body": "cat.png",
        "filename": "cat.png",
        "info": {
            "mimetype": "image/png",
            "size": 9000,
            "w": 1600,
            "h": 1200,
            "thumbnail_url": SMALL,
            "thumbnail_info": {"mimetype": "image/jpeg", "size": 90, "w": 800, "h": 600},
            "xyz.amorgan.blurhash": "LEHV6nWB",
        },
    }


@pytest.mark.parametrize(
    ("content_type", "msgtype"),
    [
        ("image/png", "m.image"),
        ("image/jpeg", "m.image"),
        ("image/gif", "m.image"),
        ("image/webp", "m.image"),
        ("image/tiff", "m.file"),
        ("image/svg+xml", "m.file"),
        ("audio/ogg", "m.audio"),
        ("video/mp4", "m.video"),
        ("text/markdown", "m.file"),
        ("application/pdf", "m.file"),
        ("", "m.file"),
    ],
)
def test_kinds(content_type: str, msgtype: str) -> None:
    assert file_message(AnswerFile(MediaFile(URL, content_type, 1), "a")) == COMMON | {
        "msgtype": msgtype,
        "body": "a",
        "filename": "a",
        "info": {"mimetype": content_type, "size": 1},
    }


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("my cat.png", "my cat.png"),
        (" a\r\nb\x00\tc ", "a b c"),
        ("cat\u202egpj.exe", "catgpj.exe"),
        ("\u2060\u061cgnp.exe\U000e0041\ue000", "gnp.exe"),
        ("кот 🐈.png", "кот 🐈.png"),
        ("", "file"),
        ("\n", "file"),
        ("a" * 300, "a" * 255),
    ],
)
def test_names(name: str, shown: str) -> None:
    content = file_message(AnswerFile(MediaFile(URL, "image/png", 1), name))
    assert (content["filename"], content["body"]) == (shown, shown)


def test_what_is_sent_is_understood() -> None:
    found = attachment_of(file_message(AnswerFile(MediaFile(URL, "image/png", 5), "a.png")))
    assert found
    assert (found.url, found.name, found.content_type, found.size) == (URL, "a.png", "image/png", 5)
    assert found.caption is None
    assert not found.encrypted


@pytest.mark.parametrize("animated", [True, False])
def test_clients_learn_whether_a_picture_is_animated(animated: bool) -> None:  # noqa: FBT001
    info = file_message(AnswerFile(MediaFile(URL, "image/png", 1, 2, 2, animated), "a.png"))["info"]
    assert info["org.matrix.msc4230.is_animated"] is animated
