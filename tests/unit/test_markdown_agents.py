"""Markdown and HTML as agents write it, where CommonMark reads something else."""

from __future__ import annotations

import pytest

from agent_bridge.render.markdown.html import to_html
from agent_bridge.render.rendition import ops_for
from agent_bridge.render.syntax.fences import regular

README = "# A\n```bash\nx\n```\n## Usage"


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        pytest.param(
            f"```markdown\n{README}\n```\nAnything else?",
            f'<pre><code class="language-markdown">{README}\n</code></pre>\n<p>Anything else?</p>',
            id="a block inside a block",
        ),
        pytest.param(
            "```md\n```a\n1\n```\n```b\n2\n```\n```\nend",
            '<pre><code class="language-md">```a\n1\n```\n```b\n2\n```\n</code></pre>\n<p>end</p>',
            id="two blocks inside a block",
        ),
        pytest.param(
            f"````markdown\n{README}\n````\nend",
            f'<pre><code class="language-markdown">{README}\n</code></pre>\n<p>end</p>',
            id="a longer fence",
        ),
        pytest.param(
            "```markdown\nWrite\n```python\nx\n```\nend",
            '<pre><code class="language-markdown">Write\n```python\nx\n</code></pre>\n<p>end</p>',
            id="a beginning without an end",
        ),
        pytest.param(
            "```python\nx\n```\na\n```\ny\n```\nb",
            '<pre><code class="language-python">x\n</code></pre>\n<p>a</p>\n<pre><code>y\n</code></pre>\n<p>b</p>',
            id="two blocks",
        ),
        pytest.param(
            "Here is the code: ```python\nprint(1)\n```\nafter",
            '<p>Here is the code:</p>\n<pre><code class="language-python">print(1)\n</code></pre>\n<p>after</p>',
            id="a fence behind text",
        ),
        pytest.param(
            "Here:```\nprint(1)\n```\nafter",
            "<p>Here:</p>\n<pre><code>print(1)\n</code></pre>\n<p>after</p>",
            id="a fence behind a colon",
        ),
        pytest.param(
            "use ```x``` here\n```\ny\n```",
            "<p>use <code>x</code> here</p>\n<pre><code>y\n</code></pre>",
            id="a code span",
        ),
        pytest.param("the mark ```python", "<p>the mark ```python</p>", id="a fence without an end"),
        pytest.param(
            "- item\n\n  ```\n  x\n```\nafter",
            "<ul>\n<li>\n<p>item</p>\n<pre><code>x\n</code></pre>\n</li>\n</ul>\n<p>after</p>",
            id="an end at the margin",
        ),
        pytest.param(
            "1. item\n   ```sh\nx\n```\n2. next",
            '<ol>\n<li>item<pre><code class="language-sh">x\n</code></pre>\n</li>\n<li>next</li>\n</ol>',
            id="code at the margin",
        ),
        pytest.param(
            "1. Do:\n   ```yaml\na:\n  b:\n    c: 1\n   ```\n2. next",
            '<ol>\n<li>Do:<pre><code class="language-yaml">a:\n  b:\n    c: 1\n</code></pre>\n</li>\n'
            "<li>next</li>\n</ol>",
            id="code at the margin keeps its indentation",
        ),
        pytest.param(
            "> ```python\n> x = 1\n> ```\n\nprose\n\n```\nother\n```",
            '<blockquote>\n<pre><code class="language-python">x = 1\n</code></pre>\n</blockquote>\n<p>prose</p>\n'
            "<pre><code>other\n</code></pre>",
            id="code in a quotation",
        ),
    ],
)
def test_code_blocks(markdown: str, html: str) -> None:
    assert to_html(markdown) == html
    assert regular(regular(markdown)) == regular(markdown)


def test_a_block_inside_a_block_is_one_block_in_all_parts() -> None:
    for op in ops_for(f"```markdown\n{README}\n{'word ' * 4_000}\n```\nAnything else?")[:-1]:
        assert to_html(op.text).count("<pre>") == 1
        assert "<h2>" not in to_html(op.text)


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("<b>b</b> <strong>b</strong>", "<p><strong>b</strong> <strong>b</strong></p>"),
        ("<i>i</i> <em>i</em> <s>s</s>", "<p><em>i</em> <em>i</em> <s>s</s></p>"),
        ("<code>c</code> <mark>m</mark>", "<p><code>c</code> <strong>m</strong></p>"),
        ('<a href="https://e.org">docs</a>', '<p><a href="https://e.org">docs</a></p>'),
        (
            "<a href='https://e.org/a_b_c' target=\"_blank\">do*cs*</a>",
            '<p><a href="https://e.org/a_b_c">do<em>cs</em></a></p>',
        ),
        ('<a href="javascript:alert(1)">docs</a>', "<p>docs</p>"),
        ("<p>text</p>", "<p>text</p>"),
        ('<p align="center">text</p>', "<p>text</p>"),
        ("<div align=center>text</div>", "<p>text</p>"),
        ('<span style="color: red">text</span>', "<p>text</p>"),
        ("<h2>Title</h2>", "<h2>Title</h2>"),
        ("<blockquote>text</blockquote>", "<blockquote>text</blockquote>"),
        ("a<hr>b", "<p>a</p><hr>b"),
        ("a <!-- comment --> b", "<p>a  b</p>"),
        (
            "<details><summary><b>More</b></summary>\n\ntext\n\n</details>",
            "<details>\n<summary><strong>More</strong></summary>\n<p>text</p>\n</details>",
        ),
        (
            "List<String> and vector<int> and a<b and <b",
            "<p>List&lt;String&gt; and vector&lt;int&gt; and a&lt;b and &lt;b</p>",
        ),
        ("Map<b>", "<p>Map&lt;b&gt;</p>"),
        ('`<b>b</b> <a href="x_y_z">`', '<p><code>&lt;b&gt;b&lt;/b&gt; &lt;a href="x_y_z"&gt;</code></p>'),
        ("<script>x</script>", "<p>&lt;script&gt;x&lt;/script&gt;</p>"),
    ],
)
def test_html(markdown: str, html: str) -> None:
    assert to_html(markdown) == html


@pytest.mark.parametrize(
    ("markdown", "part"),
    [
        ("含**「重点」**内容", "含<strong>「重点」</strong>内容"),
        ("* **开源：**代码", "<strong>开源：</strong>代码"),
        ("**复现：**10 轮", "<strong>复现：</strong>10 轮"),
        ("**この文（This）。**この文", "<strong>この文（This）。</strong>この文"),
        ("~~删除（带）。~~这个", "<s>删除（带）。</s>这个"),
        ("**Важно:**текст", "<strong>Важно:</strong>текст"),
        ("это **«важно»**слово", "это <strong>«важно»</strong>слово"),
        ('한국어**"강조"**입니다', '한국어<strong>"강조"</strong>입니다'),
        ("**Note:**text", "<strong>Note:</strong>text"),
        ("2*3*4 = 24", "2*3*4 = 24"),
        ("x**2 + y**2", "x**2 + y**2"),
        ("`a` un**frigging**believable", "un<strong>frigging</strong>believable"),
        ("__init__.py and __name__", "__init__.py and __name__"),
        (
            "见https://example.com/docs（中文说明）。",
            '<a href="https://example.com/docs">https://example.com/docs</a>（中文说明）',
        ),
        ("“https://e.org/a”", '“<a href="https://e.org/a">https://e.org/a</a>”'),
        ("https://e.org/d…", '<a href="https://e.org/d">https://e.org/d</a>…'),
        ("[My doc](https://e.org/my doc.pdf)", '<a href="https://e.org/my%20doc.pdf">My doc</a>'),
        ("<https://e.org|text>", "&lt;https://e.org|text&gt;"),
        ("公式$E=mc^2$，其中", '<span data-mx-maths="E=mc^2">'),
        ("함수$f(x)$는", '<span data-mx-maths="f(x)">'),
        ("费用为$100到$200之间", "费用为$100到$200之间"),
        ("$$\na\n\n+ 1\n$$", 'data-mx-maths="a\n\n+ 1"'),
        ("| x | $|x|$ |\n|---|---|\n| 1 | 2 |", 'data-mx-maths="|x|"'),
    ],
)
def test_text(markdown: str, part: str) -> None:
    assert part in to_html(markdown)
