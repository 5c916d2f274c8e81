from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent_bridge.core.file_key import FileKey
from agent_bridge.core.payloads import Attachment, MediaKind
from agent_bridge.matrix.attachments import attachment_of, parse_mxc
from agent_bridge.matrix.events import clean

URL = "mxc://example.org/abc_-9"
PLAIN = Attachment(MediaKind.FILE, URL, "a.txt", None, None, None, voice=False, encrypted=False)

#: The example of the specification, "Sending encrypted attachments".
SEALED = {
    "v": "v2",
    "url": URL,
    "key": {
        "kty": "oct",
        "key_ops": ["encrypt", "decrypt"],
        "alg": "A256CTR",
        "k": "aWF6-32KGYaC3A_FEUCk1Bt0JA37zP0wrStgmdCaW-0",
        "ext": True,
    },
    "iv": "w+sE15fzSc0AAAAAAAAAAA",
    "hashes": {"sha256": "fdSLu/YkRx3Wyh3KQabP3rd6+SFiKg5lsJZQHtkSAYA"},
}
KEY = FileKey("aWF6-32KGYaC3A_FEUCk1Bt0JA37zP0wrStgmdCaW-0", "w+sE15fzSc0AAAAAAAAAAA", SEALED["hashes"]["sha256"])  # type: ignore[index]


def content(**more: Any) -> dict[str, Any]:
    return {"msgtype": "m.file", "body": "a.txt", "url": URL} | more


@pytest.mark.parametrize(
    ("given_", "attachment"),
    [
        (content(), PLAIN),
        (content(msgtype="m.image"), replace(PLAIN, kind=MediaKind.IMAGE)),
        (content(msgtype="m.audio"), replace(PLAIN, kind=MediaKind.AUDIO)),
        (content(msgtype="m.video"), replace(PLAIN, kind=MediaKind.VIDEO)),
        (content(filename="a.txt"), PLAIN),
        (content(filename="b.txt"), replace(PLAIN, name="b.txt", caption="a.txt")),
        (content(filename="b.txt", body="What is it?"), replace(PLAIN, name="b.txt", caption="What is it?")),
        (content(filename="b.txt", body=""), replace(PLAIN, name="b.txt")),
        (content(filename=""), PLAIN),
        (content(filename=7), PLAIN),
        (content(body=None), replace(PLAIN, name="")),
        (content(body="x" * 300), replace(PLAIN, name="x" * 255)),
        (content(body="a\x00b\ud800"), replace(PLAIN, name="a\ufffdb\ufffd")),
        (content(info={"mimetype": "text/csv", "size": 12}), replace(PLAIN, content_type="text/csv", size=12)),
        (content(info={"mimetype": "", "size": -1}), PLAIN),
        (content(info={"mimetype": 1, "size": True}), PLAIN),
        (content(info={"size": 1.5}), PLAIN),
        (content(info={"size": 10**30}), PLAIN),
        (content(info=[]), PLAIN),
        (content(**{"org.matrix.msc3245.voice": {}}), replace(PLAIN, voice=True)),
        (content(**{"m.voice": {}}), replace(PLAIN, voice=True)),
        (content(**{"m.voice": None}), PLAIN),
        (content(url=None), replace(PLAIN, url=None)),
        (content(url="https://example.org/a"), replace(PLAIN, url=None)),
        (content(url=None, file={"url": URL}), replace(PLAIN, encrypted=True)),
        (content(url=None, file=SEALED), replace(PLAIN, encrypted=True, key=KEY)),
        (content(url=URL + "x", file=SEALED), replace(PLAIN, encrypted=True, key=KEY)),
        (
            content(url=None, file=SEALED | {"url": "https://example.org/a"}),
            replace(PLAIN, url=None, encrypted=True, key=KEY),
        ),
        (content(url=None, file=SEALED | {"v": "v1"}), replace(PLAIN, encrypted=True)),
        (content(url=None, file=SEALED | {"iv": "not base64!"}), replace(PLAIN, encrypted=True)),
        (content(url=None, file=SEALED | {"key": "x", "hashes": []}), replace(PLAIN, encrypted=True)),
        (content(url=None, file=SEALED | {"hashes": {"sha256": 7}}), replace(PLAIN, encrypted=True)),
        (content(url=None, file="x"), replace(PLAIN, url=None)),
    ],
    ids=str,
)
def test_attachments(given_: dict[str, Any], attachment: Attachment) -> None:
    assert attachment_of(given_) == attachment


@pytest.mark.parametrize("msgtype", ["m.text", "m.notice", "m.emote", "m.location", "", None, 1, [], {"m.file": 1}])
def test_what_brings_no_file(msgtype: Any) -> None:
    assert attachment_of(content(msgtype=msgtype)) is None


def test_nothing_brings_no_file() -> None:
    assert attachment_of({}) is None


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        (URL, ("example.org", "abc_-9")),
        ("mxc://a/b", ("a", "b")),
        ("mxc://example.org:8448/b", ("example.org:8448", "b")),
        ("mxc://10.0.0.1:1/b", ("10.0.0.1:1", "b")),
        ("mxc://[::1]:8448/b", ("[::1]:8448", "b")),
        ("mxc://[1234::5]/b", ("[1234::5]", "b")),
    ],
)
def test_mxc_urls(url: str, parts: tuple[str, str]) -> None:
    assert parse_mxc(url) == parts


@pytest.mark.parametrize(
    "url",
    [
        "", "mxc://", "mxc://a", "mxc://a/", "mxc:///b", "mxc://a/b/c", "mxc://a/b?c", "mxc://a/b#c", "mxc://a/.",
        "mxc://a/..", "mxc://../b", "mxc://./b", "mxc://.a/b", "mxc://-a/b", "mxc://a./b", "mxc://a/b.png",
        "mxc://a/b%2Fc", "mxc://a b/c", "mxc://a@b/c", "mxc://a:/b", "mxc://a:123456/b", "mxc://a:x/b", "mxc://[]/b",
        "mxc://[::1/b", "mxc://::1/b", "mxc://a/b\n", "\nmxc://a/b", "MXC://a/b", "https://a/b", "mxc://é/b",
        "mxc://a/é", "mxc://a\\b/c", f"mxc://{'a' * 300}/b", f"mxc://a/{'b' * 256}",
    ],
)  # fmt: skip
def test_what_is_no_mxc_url(url: str) -> None:
    with pytest.raises(ValueError, match="mxc"):
        parse_mxc(url)
    found = attachment_of(content(url=url))
    assert found
    assert found.url is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([URL, *MediaKind]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(["msgtype", "url", "body", "filename", "info", "file", "m.voice", "org.matrix.msc3245.voice"])


@given(st.dictionaries(KEYS, JSON), st.dictionaries(st.sampled_from(["mimetype", "size"]), JSON))
@example({"msgtype": "m.file", "filename": "a", "body": "\ud800"}, {"mimetype": "\x00"})
def test_any_content(raw: dict[str, Any], info: dict[str, Any]) -> None:
    for each in (raw, raw | {"msgtype": "m.file", "info": info}):
        found = attachment_of(each)
        if found is None:
            continue
        assert found.kind == each["msgtype"]
        assert all(text is None or text == clean(text) for text in (found.name, found.caption, found.content_type))
        assert found.url is None or parse_mxc(found.url)
        assert found.size is None or found.size >= 0
