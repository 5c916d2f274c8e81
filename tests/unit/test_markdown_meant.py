"""Markdown as agents mean it, where CommonMark has another reading."""

from __future__ import annotations

import pytest

from agent_bridge.render.markdown.html import to_html
from agent_bridge.render.markdown.plain import to_plain


def maths(tex: str, tag: str = "span") -> str:
    code = f"<p><code>{tex}</code></p>" if tag == "div" else f"<code>{tex}</code>"
    return f'<{tag} data-mx-maths="{tex}">{code}</{tag}>'


def link(address: str, text: str = "") -> str:
    return f'<a href="{address}">{text or address}</a>'


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("含**「重点」**内容", "含<strong>「重点」</strong>内容"),
        ("**开源：**代码", "<strong>开源：</strong>代码"),
        ("**复现：**10 轮", "<strong>复现：</strong>10 轮"),
        ("**この文（This）。**この文", "<strong>この文（This）。</strong>この文"),
        ("~~删除（带）。~~这个", "<s>删除（带）。</s>这个"),
        ("他说**“你好”**。", "他说<strong>“你好”</strong>。"),
        ("词**🎉庆祝**吧", "词<strong>🎉庆祝</strong>吧"),
        ('**중요:**텍스트 **"인용"**은', '<strong>중요:</strong>텍스트 <strong>"인용"</strong>은'),
        ("**Важно:**текст", "<strong>Важно:</strong>текст"),
        ("«**Важно!**»да", "«<strong>Важно!</strong>»да"),
        ("**Note:**text", "<strong>Note:</strong>text"),
        ("*Note:*text", "<em>Note:</em>text"),
        ("**See `x`:**text", "<strong>See <code>x</code>:</strong>text"),
        ("**Formula $x$:**text", f"<strong>Formula {maths('x')}:</strong>text"),
        ("**Note:**https://e.org", f"<strong>Note:</strong>{link('https://e.org')}"),
        ("**bold\ntext**(see)", "<strong>bold<br>\ntext</strong>(see)"),
        ("***both** x* y", "<em><strong>both</strong> x</em> y"),
        ("**a (**b**)** c", "<strong>a (<strong>b</strong>)</strong> c"),
        ("un**frigging**believable", "un<strong>frigging</strong>believable"),
        ("**bold**, and **more**!", "<strong>bold</strong>, and <strong>more</strong>!"),
        ("`**a：**b`", "<code>**a：**b</code>"),
        ("\\*\\*a:\\*\\*b", "**a:**b"),
        ("_\\(x\\)_ _<br>_", f"<em>{maths('x')}</em> <em><br>\n</em>"),
    ],
)
def test_emphasis_beside_letters(markdown: str, html: str) -> None:
    assert to_html(markdown) == f"<p>{html}</p>"


@pytest.mark.parametrize(
    "text",
    [
        "2*3*4 = 24", "x**2 + y**2", "2*x*3*y", "5*x*6", "(x)**2 + (y)**2", "2*(3+4)*5", "a*(b+c)*d", "a**(b+c)**d",
        "f(*args, **kwargs)", "__init__.py", "__name__", "call __init__() twice", "def __my_method__(self)",
        "obj.__thing__", "__FILE__:__LINE__", "Price*, tax*.", "~5 minutes, ~10 at most", "a~b~c", "H*2*O",
        "x**n + y**n", "a*b*c", "π*r*r", "х*у*2", "x²*y²*z²", "price*count*2", "2*слово*3", '"a"*3 + "b"*3',
        "|x|*2*3", "100%*2*3", "n!*m*k", "2*√3*x",
        "__dict__ and __author__", "__thing__() in a program", "__thing__ = 1", "__thing__.x",
        "@__thing__", "__thing2__", "a**b**c", "x**n + y**m", "x**y**2",
    ],
)  # fmt: skip
def test_arithmetic_and_names_keep_their_signs(text: str) -> None:
    assert to_html(text) == f"<p>{text}</p>"


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("**Total: 2*3 = 6**", "<strong>Total: 2*3 = 6</strong>"),
        ("**2*3*4**", "<strong>2*3*4</strong>"),
        ("**10**x", "<strong>10</strong>x"),
        ("*2*", "<em>2</em>"),
        ("Java**S**cript", "Java<strong>S</strong>cript"),
        ("e**X**tensible **M**arkup", "e<strong>X</strong>tensible <strong>M</strong>arkup"),
        ("l'**é**cole", "l'<strong>é</strong>cole"),
        ("I**love**you", "I<strong>love</strong>you"),
        ("__word__ in bold, and __another__.", "<strong>word</strong> in bold, and <strong>another</strong>."),
        ("**W**orld", "<strong>W</strong>orld"),
        ("他*说*了第*2*章", "他<em>说</em>了第<em>2</em>章"),
        ('"**10 things:**text"', '"<strong>10 things:</strong>text"'),
        ("**5%**2", "<strong>5%</strong>2"),
        ("`a`*2*3", "<code>a</code>*2*3"),
        ("__Bold__ and __both words__", "<strong>Bold</strong> and <strong>both words</strong>"),
        ("`2*3*4` `__init__`", "<code>2*3*4</code> <code>__init__</code>"),
        ("**~5**", "<strong>~5</strong>"),
        ("_a_~ ~__B__", "<em>a</em>~ ~<strong>B</strong>"),
    ],
)
def test_arithmetic_beside_emphasis(markdown: str, html: str) -> None:
    assert to_html(markdown) == f"<p>{html}</p>"


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("见https://example.com/docs（中文说明）了解更多。", f"见{link('https://example.com/docs')}（中文说明）了解更多。"),
        ("“https://e.org/a”", f"“{link('https://e.org/a')}”"),
        ("«https://e.org/c»", f"«{link('https://e.org/c')}»"),
        ("https://e.org/d…", f"{link('https://e.org/d')}…"),
        ("https://e.org/e—dash", f"{link('https://e.org/e')}—dash"),
        ("https://e.org。", f"{link('https://e.org')}。"),
        ("https://example.com了解", f"{link('https://example.com')}了解"),
        ("(https://e.org/a_(b)).", f"({link('https://e.org/a_(b)')})."),
        ("**https://e.org/**", f"<strong>{link('https://e.org/')}</strong>"),
        ("https://e.org/a*b*c_d_", link("https://e.org/a*b*c_d_")),
        ("https://e.org/?a=1&amp;b=2&c[]=3", link("https://e.org/?a=1&amp;b=2&amp;c%5B%5D=3", "https://e.org/?a=1&amp;b=2&amp;c[]=3")),
        ("https://e.org/a\\_b", link("https://e.org/a_b")),
        ("https://e.org/%D0%B4%D0%B0%20", link("https://e.org/%D0%B4%D0%B0%20", "https://e.org/да%20")),
        ("https://мир.рф/да", link("https://xn--h1ahn.xn--p1ai/%D0%B4%D0%B0", "https://мир.рф/да")),
        ("https://e.org/a[^1]", f"{link('https://e.org/a')}[^1]"),
        ("http://localhost:8008/_matrix", link("http://localhost:8008/_matrix")),
        ("www.e.org:80/a, xwww.e.org", f"{link('https://www.e.org:80/a', 'www.e.org:80/a')}, xwww.e.org"),
        ("xhttps://e.org https:// http://.", "xhttps://e.org https:// http://."),
        ("mailto:a@e.org a@e.org", f"{link('mailto:a@e.org')} a@e.org"),
        ("[My doc](https://e.org/my doc.pdf)", link("https://e.org/my%20doc.pdf", "My doc")),
        ("[a](<https://e.org/b c>)", link("https://e.org/b%20c", "a")),
        ('[a](https://e.org/b "title")', link("https://e.org/b", "a")),
        ("[see https://e.org/a](https://e.org/b)", link("https://e.org/b", "see https://e.org/a")),
        ("<https://e.org|text>", "&lt;https://e.org|text&gt;"),
        ("<https://e.org/a_b_c>", link("https://e.org/a_b_c")),
        ("`https://e.org`", "<code>https://e.org</code>"),
    ],
)  # fmt: skip
def test_addresses(markdown: str, html: str) -> None:
    assert to_html(markdown) == f"<p>{html}</p>"


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("公式$E=mc^2$，其中$c$是光速", f"<p>公式{maths('E=mc^2')}，其中{maths('c')}是光速</p>"),
        ("함수$f(x)$는", f"<p>함수{maths('f(x)')}는</p>"),
        ("费用为$100到$200之间", "<p>费用为$100到$200之间</p>"),
        ("费用$100到200$之间", "<p>费用$100到200$之间</p>"),
        ("$2πr$ and $5 + 3$", f"<p>{maths('2πr')} and {maths('5 + 3')}</p>"),
        ("$$\na\n\n+ b\n$$", maths("a\n\n+ b", "div")),
        ("\\[\na\n\n= b\n\\]\nend", maths("a\n\n= b", "div") + "\n<p>end</p>"),
        ("> $$\n> a\n>\n> - b\n> $$", "<blockquote>\n" + maths("a\n\n- b", "div") + "\n</blockquote>"),
        ("$$x$$\n---\nb", f"{maths('x', 'div')}\n<hr>\n<p>b</p>"),
        ("- a\n  $$\n  x\n  - y\n  $$\n- b", "<ul>\n<li>a" + maths("x\n- y", "div") + "\n</li>\n<li>b</li>\n</ul>"),
        ("$$ costs\n\nmore $$", "<p>$$ costs</p>\n<p>more $$</p>"),
        ("```\n$$\n```\n\n```\n$$\n```", "<pre><code>$$\n</code></pre>\n<pre><code>$$\n</code></pre>"),
        ("- costs $5\n- and 6$", "<ul>\n<li>costs $5</li>\n<li>and 6$</li>\n</ul>"),
        ("`\\(` and **`\\)`**", "<p><code>\\(</code> and <strong><code>\\)</code></strong></p>"),
    ],
)  # fmt: skip
def test_formulas(markdown: str, html: str) -> None:
    assert to_html(markdown) == html


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("1. a\n  - b\n2. c", "<ol><li>a<ul><li>b</li></ul></li><li>c</li></ol>"),
        ("1. a\n  1. b", "<ol><li>a<ol><li>b</li></ol></li></ol>"),
        (
            "10. a\n  - b\n    - c\n  - d\n11. e",
            '<ol start="10"><li>a<ul><li>b<ul><li>c</li></ul></li><li>d</li></ul></li><li>e</li></ol>',
        ),
        ("- x\n  1. a\n    - b\n- y", "<ul><li>x<ol><li>a<ul><li>b</li></ul></li></ol></li><li>y</li></ul>"),
        ("1. a\n  - b\n    ```\n    - c\n    ```", "<ol><li>a<ul><li>b<pre><code>- c</code></pre></li></ul></li></ol>"),
        ("1. a\n - b", "<ol><li>a</li></ol><ul><li>b</li></ul>"),
        ("```\n1. a\n  - b\n```", "<pre><code>1. a  - b</code></pre>"),
    ],
)
def test_lists_indented_by_two_blanks(markdown: str, html: str) -> None:
    assert to_html(markdown).replace("\n", "") == html


@pytest.mark.parametrize("cell", ["$|x|$", "$P(A|B)$", "$\\|x\\|$"])
def test_a_bar_in_a_formula_ends_no_cell(cell: str) -> None:
    tex = cell.strip("$").replace("\\|", "|")
    assert f"<td>{maths(tex)}</td>\n<td>y</td>" in to_html(f"| a | b |\n|---|---|\n| {cell} | y |")


def test_bars_without_backslashes_are_those_of_a_norm_outside_of_tables() -> None:
    tex = "\\|x\\|"
    assert to_html(f"${tex}$") == f"<p>{maths(tex)}</p>"


def test_a_spoiler_is_one_in_a_table_too() -> None:
    markdown = "| a | b |\n|---|---|\n| ||hidden|| | y |\n| | z |"
    assert '<td><span data-mx-spoiler="">hidden</span></td>\n<td>y</td>' in to_html(markdown)
    assert "<td></td>\n<td>z</td>" in to_html(markdown)
    assert to_plain(markdown) == markdown.replace("||hidden||", "[Spoiler]")


@pytest.mark.parametrize(
    "attributes", ['class="aside"', 'type="reasoning" done="true" duration="3"', 'type="tool_calls"']
)
def test_sections_of_other_programs(attributes: str) -> None:
    markdown = f"<details {attributes}>\n<summary>Thought</summary>\nsecret\n</details>\nThe answer."
    assert to_html(markdown) == "<details>\n<summary>Thought</summary>\n<p>secret</p>\n</details>\n<p>The answer.</p>"
    assert to_plain(markdown) == "Thought\n\nThe answer."


def test_a_note_before_brackets_is_one() -> None:
    assert to_html("a[^1](b)[^2][^1]\n\n[^1]: x\n[^2]: y").startswith("<p>a<sup>1</sup>(b)<sup>2</sup><sup>1</sup></p>")


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        pytest.param("Sources:\n\n[^a]: A\n[^b]: B", "<p>Sources:</p>\n<p>[^a]: A<br>\n[^b]: B</p>", id="notes"),
        pytest.param(
            "See [1].\n\n[1]: https://e.org/1\n[2]: https://e.org/2",
            f"<p>See {link('https://e.org/1', '1')}.</p>\n<p>[2]: {link('https://e.org/2')}</p>",
            id="one of two addresses",
        ),
        pytest.param("> [1]: x", "<blockquote>\n<p>[1]: x</p>\n</blockquote>", id="in a quote"),
        pytest.param("[A  b]: https://e.org\n\n[a B]", f"<p>{link('https://e.org', 'a B')}</p>", id="other spelling"),
        pytest.param("```\n[a]: b\n```", "<pre><code>[a]: b\n</code></pre>", id="code"),
        pytest.param("[a](https://e.org)\n\n[a]: b", f"<p>{link('https://e.org', 'a')}</p>\n<p>[a]: b</p>", id="link"),
    ],
)
def test_a_definition_without_a_reference_is_shown(markdown: str, html: str) -> None:
    """The references can be in another part of the answer."""
    assert to_html(markdown) == html


@pytest.mark.parametrize(
    ("markdown", "host"),
    [
        ("[https://bank.example](https://evil.example/x)", "evil.example"),
        ("[**https://bank.example/login**](https://evil.example)", "evil.example"),
        ("[www.bank.example](https://evil.example)", "evil.example"),
        ("[Go to https://bank.example](https://evil.example)", "evil.example"),
        ("[\u200bhttps://bank.example](https://evil.example)", "evil.example"),
        ("[ht\u200btps://bank.example](https://evil.example)", "evil.example"),
        ("[https&#58;//bank.example](https://evil.example)", "evil.example"),
        ("[https://evil.example@bank.example](https://evil.example)", "evil.example"),
        ("[bank.example](https://evil.example)", "evil.example"),
        ("[bank.example/login](https://evil.example)", "evil.example"),
        ("[`bank.example`](https://evil.example)", "evil.example"),
        ("[mailto:a@bank.example](mailto:a@evil.example)", "a@evil.example"),
        ("[a@bank.example](mailto:a@evil.example?subject=x)", "a@evil.example"),
        ("[a@bank.example](https://evil.example)", "evil.example"),
        ("![https://bank.example](https://evil.example/x.png)", "evil.example"),
        ("[bank.example](https://www.bank.example/x)", ""),
        ("[a@bank.example](mailto:a@bank.example)", ""),
        ("[torch.nn.Module](https://docs.example/torch.nn.Module.html)", ""),
        ("[gpt-4.mini](https://matrix.to/#/!room:x)", ""),
        ("[version 1.2.3](https://git.example/releases)", ""),
        ("![a picture](https://evil.example/x.png)", ""),
        ("[http://BANK.example/a](https://bank.example/b)", ""),
        ("[the bank](https://evil.example)", ""),
        ("[README.md](https://git.example/README.md)", ""),
        ("[Node.js](https://nodejs.org)", ""),
        ("[config.yaml](https://git.example/blob)", ""),
        ("[ASP.NET](https://dotnet.example)", ""),
        ("[bank.net/login](https://evil.example)", "evil.example"),
        ("[www.bank.net](https://evil.example)", "evil.example"),
        ("<https://bank.example>", ""),
        ("https://bank.example", ""),
    ],
)
def test_a_link_that_pretends_to_lead_elsewhere_names_its_host(markdown: str, host: str) -> None:
    html = to_html(markdown)
    assert html.count("<a ") == 1
    assert html.removesuffix("</p>").endswith(f"</a> ({host})" if host else "</a>")
