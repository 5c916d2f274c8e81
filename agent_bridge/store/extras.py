"""The JSON form of :class:`~agent_bridge.core.answers.AnswerExtras`, as the column ``turn.extras`` holds it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from agent_bridge.core.answers import AnswerExtras, AnswerFile, MediaFile, Notice, Op, Speech, SpokenPiece
from agent_bridge.core.file_key import FileKey

if TYPE_CHECKING:
    from collections.abc import Mapping


def extras_to_json(extras: AnswerExtras) -> dict[str, Any]:
    """Return *extras* as JSON values. ``notice`` is null exactly if the room was told nothing."""
    return {
        "notice": None if extras.notice is None else asdict(extras.notice),
        "activity": [_op_to_json(op) for op in extras.activity],
        "files": [asdict(file) for file in extras.files],
        "rest": extras.rest,
        "mentions": list(extras.mentions),
    } | ({} if extras.speech is None else {"speech": speech_to_json(extras.speech)})


def speech_to_json(speech: Speech) -> dict[str, Any]:
    """Return *speech* as JSON values."""
    return {"pieces": [asdict(piece) for piece in speech.pieces], "failure": speech.failure}


def _speech_from_json(stored: Mapping[str, Any]) -> Speech:
    pieces = (
        SpokenPiece(_media_from_json(each["media"]), each["duration"], tuple(each["waveform"]))
        for each in stored["pieces"]
    )
    return Speech(tuple(pieces), stored["failure"])


def extras_from_json(stored: Mapping[str, Any]) -> AnswerExtras:
    """Return the extras that *stored* holds; an empty object, the column's default, holds none."""
    stored = _in_present_form(stored)
    notice = stored.get("notice")
    return AnswerExtras(
        notice=None if notice is None else Notice(**notice),
        activity=tuple(Op(**op) for op in stored.get("activity", ())),
        files=tuple(_file_from_json(file) for file in stored.get("files", ())),
        rest=bool(stored.get("rest", False)),
        mentions=tuple(stored.get("mentions", ())),
        speech=None if stored.get("speech") is None else _speech_from_json(stored["speech"]),
    )


def _op_to_json(op: Op) -> dict[str, Any]:
    """Return a message about reasoning or tools, which never is a file and mentions nobody."""
    return {name: value for name, value in asdict(op).items() if name not in {"file", "mentions"}}


def _file_from_json(stored: Mapping[str, Any]) -> AnswerFile:
    thumbnail = stored["thumbnail"]
    return AnswerFile(
        media=_media_from_json(stored["media"]),
        name=stored["name"],
        thumbnail=None if thumbnail is None else _media_from_json(thumbnail),
        blurhash=stored["blurhash"],
    )


def _media_from_json(stored: Mapping[str, Any]) -> MediaFile:
    key = stored.get("key")
    return MediaFile(**{**stored, "key": None if key is None else FileKey(**key)})


def _in_present_form(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return *stored* in the present form, also if an earlier program wrote it.

    Earlier programs kept the notice as one Markdown string, with the detail folded at its end, and each file as the
    content of its event. The messages about reasoning and tools had the form that they have now.
    """
    present = dict(stored)
    if isinstance(notice := present.get("notice"), str):
        summary, folded, rest = notice.partition("\n\n<details>")
        block = rest.partition("</summary>\n\n")[2].removesuffix("\n\n</details>")
        # The first and the last line of the block are the fences of its code.
        detail = block.partition("\n")[2].rpartition("\n")[0] if folded else ""
        present["notice"] = {"summary": summary, "detail": detail} if notice else None
    present["files"] = [_file_of_content(file) if "msgtype" in file else file for file in present.get("files", ())]
    return present


def _file_of_content(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the file that an earlier program kept as the content of its event."""
    info = content["info"]
    thumbnail = info.get("thumbnail_url")
    return {
        "media": _media_of_info(content["url"], info),
        "name": content["filename"],
        "thumbnail": None if thumbnail is None else _media_of_info(thumbnail, info["thumbnail_info"]),
        "blurhash": info.get("xyz.amorgan.blurhash"),
    }


def _media_of_info(url: str, info: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "url": url,
        "content_type": info["mimetype"],
        "size": info["size"],
        "width": info.get("w"),
        "height": info.get("h"),
    }
