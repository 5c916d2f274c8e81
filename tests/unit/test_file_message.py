from __future__ import annotations

from typing import Any

import pytest

from agent_bridge.core.answers import AnswerFile, MediaFile, SpokenPiece
from agent_bridge.core.file_key import FileKey
from agent_bridge.matrix.attachments import attachment_of
from agent_bridge.render.attachment import file_message, voice_message

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


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("notes.txt", "notes.txt"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\bob\\notes.txt", "notes.txt"),
        ("reports/2026/", "2026"),
        ("a\x00\n\u202etxt.exe", "a txt.exe"),
        ("..", "file"),
        ("/", "file"),
        ("", "file"),
        ("./.bashrc", ".bashrc"),
    ],
)
def test_the_name_of_a_file_is_no_path(name: str, shown: str) -> None:
    file = AnswerFile(MediaFile(URL, "text/plain", 5), name)
    content = file_message(file)
    assert (content["filename"], content["body"]) == (shown, shown)


KEYS = [FileKey(name * 43, "w+sE15fzSc0AAAAAAAAAAA", name * 43) for name in "ab"]


def sealed(url: str, key: FileKey) -> dict[str, Any]:
    jwk = {"kty": "oct", "key_ops": ["encrypt", "decrypt"], "alg": "A256CTR", "k": key.key, "ext": True}
    return {"v": "v2", "url": url, "key": jwk, "iv": key.iv, "hashes": {"sha256": key.sha256}}


def test_an_encrypted_picture_has_the_keys_in_place_of_the_urls() -> None:
    large, small = (
        MediaFile(URL, "image/png", 9, 4, 3, key=KEYS[0]),
        MediaFile(SMALL, "image/jpeg", 5, 2, 1, key=KEYS[1]),
    )
    content = file_message(AnswerFile(large, "cat.png", small))
    assert (content["file"], content["info"]["thumbnail_file"]) == (sealed(URL, KEYS[0]), sealed(SMALL, KEYS[1]))
    assert content["info"]["thumbnail_info"] == {"mimetype": "image/jpeg", "size": 5, "w": 2, "h": 1}
    assert not {"url", "thumbnail_url"} & {*content, *content["info"]}
    found = attachment_of(content)
    assert found
    assert (found.url, found.key, found.encrypted) == (URL, KEYS[0], True)
    assert KEYS[0].key not in repr(large)


def test_an_encrypted_voice_message() -> None:
    content = voice_message(SpokenPiece(MediaFile(URL, "audio/ogg", 9, key=KEYS[0]), 1500, (0, 1024)), "voice.ogg")
    assert content["file"] == content["org.matrix.msc1767.file"]["file"] == sealed(URL, KEYS[0])
    assert not any("url" in part for part in (content, content["org.matrix.msc1767.file"]))
    assert content["org.matrix.msc1767.audio"] == {"duration": 1500, "waveform": [0, 1024]}
