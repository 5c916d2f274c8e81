"""Show the golden files of rendering in a browser, and take the picture for docs/rendering.md."""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from html import escape
from pathlib import Path

from agent_bridge.render.markdown.html import to_html

TOP = Path(__file__).resolve().parent.parent
CASES = TOP / "tests" / "golden" / "markdown"
PICTURE = TOP / "docs" / "pictures" / "rendering.png"
#: Golden files that are not in the picture, because they are not about the visible result.
LEFT_OUT = {
    "deep_quotes",
    "links_refused",
    "no_mention",
    "escapes",
    "code_indented",
    "table_short_rows",
    "long_names",
    "unicode",
}
#: Answers during streaming.
GROWING = {
    "a code block": "Here it is:\n\n```python\nprint(1)\n``",
    "a table": "| Name | Size |\n|--",
    "marks": "**Bold, `code",
    "a spoiler": "It was ||the but",
    "a formula": "So $$\\frac{a}",
    "a link": "See [the docs](https://exa",
}
#: Styles similar to those of Element.
STYLE = """
body { margin: 0; padding: 16px; background: #fff; color: #1b1d22;
  font: 15px/22px Inter, "Liberation Sans", sans-serif }
main { columns: 3; column-gap: 16px }
article { break-inside: avoid; margin: 0 0 14px; display: flex; gap: 8px }
.avatar { flex: none; width: 30px; height: 30px; border-radius: 50%; background: #0dbd8b; color: #fff;
  text-align: center; line-height: 30px; font-weight: 600 }
.sender { color: #0a8f6a; font-weight: 600; font-size: 13px; line-height: 18px }
.sender span { color: #737d8c; font-weight: 400 }
.bubble { background: #f3f8fd; border-radius: 0 8px 8px 8px; padding: 6px 12px;
  overflow-wrap: anywhere; min-width: 0 }
.bubble > :first-child { margin-top: 0 } .bubble > :last-child { margin-bottom: 0 }
p { margin: 0 0 8px } h1 { font-size: 24px } h2 { font-size: 20px } h3 { font-size: 17px } h6 { font-size: 13px }
h1, h2, h3, h6 { margin: 8px 0; line-height: 1.25 } ul, ol { margin: 0 0 8px; padding-left: 26px }
a { color: #0467dd; text-decoration: none } hr { border: 0; border-top: 1px solid #c1c6cd }
blockquote { margin: 0 0 8px; padding-left: 10px; border-left: 2px solid #c1c6cd; color: #5b6470 }
code { font: 13px/20px Inconsolata, "Liberation Mono", monospace; background: #e3e8f0; border-radius: 4px;
  padding: 1px 4px }
pre { margin: 0 0 8px; padding: 8px; background: #fff; border: 1px solid #e3e8f0; border-radius: 4px; overflow: auto }
pre code { background: none; padding: 0 }
table { border-collapse: collapse; margin: 0 0 8px } td, th { border: 1px solid #c1c6cd; padding: 3px 8px }
th { background: #e3e8f0 }
[data-mx-spoiler] { background: #1b1d22; color: #1b1d22; border-radius: 3px }
[data-mx-spoiler] * { visibility: hidden } [data-mx-spoiler]:hover { background: none }
[data-mx-spoiler]:hover * { visibility: visible }
[data-mx-spoiler]:not([data-mx-spoiler=""])::before { content: "(" attr(data-mx-spoiler) ") "; color: #fff }
[data-mx-maths] code { background: #fff4d6; font-style: italic }
div[data-mx-maths] { margin: 0 0 8px; text-align: center }
div[data-mx-maths] code { white-space: pre-line }
details { margin: 0 0 8px } summary { cursor: pointer }
"""


def page() -> str:
    """Return the page: each golden file, with folded sections closed and open, and incomplete answers."""
    messages: list[str] = []
    for case in sorted(CASES.glob("*.md")):
        if case.stem in LEFT_OUT:
            continue
        html = to_html(case.read_text("utf-8"))
        messages.append(_message(case.stem, html))
        if "<details>" in html:
            messages.append(_message(f"{case.stem}, opened", html.replace("<details>", "<details open>")))
    messages += [_message(f"still growing: {name}", to_html(text, live=True)) for name, text in GROWING.items()]
    return f"<!doctype html><meta charset=utf-8><style>{STYLE}</style><main>{''.join(messages)}</main>"


def _message(name: str, html: str) -> str:
    head = f'<div class="sender">Frida <span>{escape(name)}</span></div>'
    return f'<article><div class="avatar">F</div><div>{head}<div class="bubble">{html}</div></div></article>'


def main() -> None:
    """Write the page, and take the picture with Debian's chromium."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path, help="write the page to this file, to open it in a browser")
    parser.add_argument("--size", default="1500,1740", help="size of the picture in pixels (default: %(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.page or Path(folder) / "rendering.html"
        path.write_text(page(), encoding="utf-8")
        chromium = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        chromium += [f"--user-data-dir={folder}/profile", f"--window-size={arguments.size}", f"--screenshot={PICTURE}"]
        subprocess.run([*chromium, path.resolve().as_uri()], check=True, timeout=120, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
