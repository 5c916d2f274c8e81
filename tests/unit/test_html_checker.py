"""The checker of messages' HTML finds faults."""

from __future__ import annotations

import pytest

from support.html_checker import check


@pytest.mark.parametrize(
    "html",
    [
        "<script>x</script>",
        "<img>",
        "<p onclick='x'>x</p>",
        "<p style='x'>x</p>",
        "<a href='javascript:x'>x</a>",
        "<a href='/x'>x</a>",
        "<a href='https://a'><a href='https://b'>x</a></a>",
        "<code class='x'>x</code>",
        "<p>x",
        "</p>",
        "<p><b></p></b>",
        "<br/>",
        "<!-- x -->",
        "<!DOCTYPE html>",
        "<?x?>",
        "\0",
        "<b>" * 100 + "</b>" * 100,
    ],
)
def test_it_refuses(html: str) -> None:
    with pytest.raises(AssertionError):
        check(html)


def test_it_takes_what_is_right() -> None:
    check('<p><a href="https://e.org">x</a><br>&lt;script&gt;</p><span data-mx-spoiler="">y</span>')
