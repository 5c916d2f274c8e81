"""Markdown that is expensive to render: repeated tokens in all combinations of two and many of three."""

from __future__ import annotations

import random
from itertools import combinations_with_replacement, product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Length of each text in characters.
LENGTH = 8_000
#: Number of random combinations of three tokens.
DRAWN = 1_000
TOKENS = [
    "a", " ", "\n", "\n\n", "*", "**", "_", "__", "~~", "`", "```\n", "~~~\n", "[", "](", "[a](b)", "![", "<", "<a>",
    ">", "> ", "- ", "1. ", "    ", "\t", "- [ ] ", "# ", "|", "||", "|-", "|a|\n", "---\n", "\\", "&", "&amp;", "$",
    "$$\n", "[^a]", "[^a]: ", "\n[a]: b\n", "[a]", "<!--", "<?", "https://e.org/", "<https://e.org>", "www.", "é", '"',
    "*a", "a*", "2*", "**a**", "**。", "__a", "<details>\n", "</details>\n", "<summary>", "<sub>", "</kbd>", "\\(",
    "\\[\n", "\\begin{align}\n",
]  # fmt: skip


def texts() -> Iterator[tuple[str, str]]:
    """Yield the description and the content of each text; every call yields the same texts."""
    for one, other in combinations_with_replacement(TOKENS, 2):
        yield f"{one!r} {other!r} in turn", _filled(one + other)
    for one, other in product(TOKENS, TOKENS):
        yield f"{one!r}, then {other!r}", _filled(one, LENGTH // 2) + _filled(other, LENGTH // 2)
    drawing = random.Random(1)  # noqa: S311
    for _ in range(DRAWN):
        one, other, third = drawing.choices(TOKENS, k=3)
        yield f"30 {one!r}, then {other!r} {third!r} in turn", (one * 30 + _filled(other + third))[:LENGTH]
    yield "30 '>' before each paragraph", _filled(">" * 30 + "a\n\n")
    yield "30 '>', then lines that go on with them", _filled(">" * 30 + "a\n", 33) + _filled("b\n", LENGTH - 33)
    yield "lists inside each other", "".join("  " * depth + "- a\n" for depth in range(100))[:LENGTH]
    yield "rows without cells in a wide table", "|a" * 50 + "|\n" + "|-" * 50 + "|\n" + _filled("|\n", LENGTH - 202)


def _filled(piece: str, length: int = LENGTH) -> str:
    return (piece * (length // len(piece) + 1))[:length]
