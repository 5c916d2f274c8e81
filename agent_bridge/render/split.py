"""Long answers in parts, each small enough for one event."""

from __future__ import annotations

#: Bytes of Markdown in one part. An event may have 65,536 bytes, and an edit carries its text four times: as plain
#: text and as HTML, once for clients that know edits and once for those that do not.
PART_BYTES = 9_000

_FENCES = ("```", "~~~")


def split(markdown: str, limit: int = PART_BYTES) -> list[str]:
    """Cut *markdown* into parts of at most *limit* bytes of UTF-8, at least one part.

    Cuts between paragraphs where it can, else between lines, words, characters. A fenced code block that is cut is
    closed and opened again. A longer text begins with the same parts as its beginning, but for the last one: so a
    growing text never changes a part that is complete.
    """
    parts: list[str] = []
    rest, fence = markdown, ""
    while True:
        opening = f"{fence}\n" if fence else ""
        if len((opening + rest).encode()) <= limit:
            return [*parts, opening + rest]
        # Room for closing the fence again.
        head, rest = _cut(rest, limit - len(opening.encode()) - 4)
        text = opening + head
        fence = _open_fence(text)
        parts.append(f"{text.rstrip()}\n{fence[:3]}" if fence else text.rstrip())
        rest = rest if fence else rest.lstrip("\n")


def _cut(text: str, limit: int) -> tuple[str, str]:
    head = text.encode()[:limit].decode("utf-8", "ignore")
    for separator in ("\n\n", "\n", " "):
        at = head.rfind(separator, len(head) // 2)
        if at > 0:
            end = at + len(separator)
            return text[:end], text[end:]
    return head, text[len(head) :]


def _open_fence(text: str) -> str:
    """Return the line that opened the code block *text* ends in, empty when it ends in none."""
    fence = ""
    for line in text.split("\n"):
        stripped = line.lstrip()
        if not stripped.startswith(_FENCES):
            continue
        if not fence:
            fence = stripped.rstrip()
        elif stripped.rstrip() == fence[:3]:
            fence = ""
    return fence
