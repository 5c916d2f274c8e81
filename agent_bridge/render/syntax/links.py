"""Links to the outside, and addresses in text as links. Of any other link only its text is shown."""

from __future__ import annotations

import re
from contextlib import suppress
from html import escape, unescape
from urllib.parse import quote, unquote

from agent_bridge.core.names import one_line
from agent_bridge.render.sanitise import SCHEMES
from agent_bridge.render.syntax.standins import MATHS, SPACE, URL, URL_END, hide

_OUTSIDE = re.compile(rf"(?:https?://[^/\s]|(?:{'|'.join(sorted(SCHEMES - {'http', 'https'}))}):.)", re.IGNORECASE)
#: Scripts without spaces between words, and full-width characters.
_CJK = "\u2e80-\uffef"
#: A label of a host name. A label that begins in another script ends before characters of these scripts.
_LABEL = rf"(?:[^\W_{_CJK}](?:[^\W{_CJK}]|-)*|[{_CJK}](?<=\w)[\w-]*)"
#: Full-width and typographic punctuation, which ends an address: quotes, dashes, an ellipsis.
_TYPOGRAPHIC = (
    "\u00ab\u00bb\u2013\u2014\u2018-\u201f\u2026\u2039\u203a"
    "\u3000-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)
_IN_PATH = rf"[^\s<>\"`|*~()\[\]{MATHS}{_TYPOGRAPHIC}]"
#: An address in text; an address in angle brackets, which the parser knows; the address of a link, with spaces.
_ADDRESS = re.compile(
    r"[hHwWmM<\]](?:"
    r"(?:(?<=[hH])[tT][tT][pP](?<![A-Za-z0-9.+-]....)[sS]?://(?:[^\s/?#@<>()\[\]|`*]{1,99}@)?"
    rf"{_LABEL}(?:\.{_LABEL})*"
    r"|(?<=[wW])[wW][wW]\.(?<![A-Za-z0-9_.+/@-]....)(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9]))"
    rf"(?::\d{{1,5}})?(?:[/?#](?:{_IN_PATH}|[*~](?![*~])|\({_IN_PATH}*\)|\[[\w.-]*\](?=[=&\[]))*)?"
    r"|(?<=[mM])[aA][iI][lL][tT][oO]:(?<![A-Za-z0-9_.+/@-].......)[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+"
    r"|(?<=<)[A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]*>"
    r"|(?<=\])\(https?://[^\s()<>\"'\[\]]+(?: [^\s()<>\"'\[\]]+)+\))"
)
_TRAILING = ".,:;!?'*~&"
_ENTITY = re.compile(r"(&#?\w{1,32};)")
#: Percent-encoded characters outside ASCII.
_ENCODED = re.compile(r"(?:%[89a-fA-F][0-9a-fA-F])+")
_HOST = re.compile(r"(https?://(?:[^/?#@]*@)?)([^/?#:]{1,253})(.*)", re.DOTALL | re.IGNORECASE)
#: Addresses that the text of a link names: host names, and mail addresses.
_NAMED = re.compile(
    r"https?://(?:[^\s/?#@]*@)?([^\s/?#:@]+)|(?<![\w.@-])(www\.[^\s/?#:@]+)"
    r"|(?<![\w.+-])([\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+)",
    re.IGNORECASE,
)
#: The host of links to rooms, users and events (Matrix spec, "matrix.to navigation").
_ROOMS = "matrix.to"
_HOST_NAME = re.compile(r"((?:[\w-]+\.)+[^\W\d_]{2,24})(?:[:/?#]\S*)?")
#: Names of files and packages that look like host names.
_FILE_NAME = re.compile(
    r".*\.(?:js|jsx|mjs|cjs|ts|tsx|py|pyi|ipynb|md|mdx|rst|txt|net|png|jpe?g|gif|svg|webp|mp[34]|pdf|docx?|xlsx?|pptx?"
    r"|csv|tsv|jsonl?|ya?ml|toml|ini|cfg|conf|xml|html?|s?css|less|vue|rs|go|rb|php|java|kt|swift|cpp|hpp|cs|lua|sh"
    r"|ps|sql|db|log|lock|env|zip|tar|gz|exe|dll|so|jar|whl)",
    re.IGNORECASE,
)
_TAG = re.compile(r"<[^>]*>")
#: Characters of an address that are not percent-encoded, besides letters and digits.
_UNENCODED = ";/?:@&=+$,-_.!~*'()#%"
_ENCODED_ALREADY = re.compile(rf"[A-Za-z0-9{re.escape(_UNENCODED)}]*")


def protect(text: str) -> str:
    """Return *text* with marks around its addresses and stand-ins in them.

    An address has a scheme or begins with ``www.``; a file name such as ``README.md`` is no address.
    """
    return _ADDRESS.sub(_marked, text) if "://" in text or "www." in text.lower() or "mailto:" in text.lower() else text


def _marked(found: re.Match[str]) -> str:
    address = found[0]
    if address[0] == "]":
        return address.replace(" ", SPACE)
    if address[0] == "<":
        return address
    shown = address.rstrip(_TRAILING)
    # Entities and escapes by backslashes are left to the parser.
    if "\\" not in shown:
        shown = "".join(part if _ENTITY.fullmatch(part) else hide(part) for part in _ENTITY.split(shown))
    return f"{URL}{shown}{URL_END}{address[len(address.rstrip(_TRAILING)) :]}"


def leads_outside(address: str) -> bool:
    """Tell whether *address* is absolute and has one of the allowed schemes."""
    return _OUTSIDE.match(address) is not None


def link(address: str) -> str:
    """Return the start tag of a link to *address*."""
    return f'<a href="{escape(_encoded(address))}">'


def other_host(shown: str, address: str) -> str:
    """Return the host of *address* if the HTML *shown* of its link names an address on another host; else empty.

    A host name without a scheme counts if it is the whole text, no part of *address*, and no name of a file or package,
    such as ``Node.js``. Links to rooms have names of agents, such as ``gpt-4.mini``.
    """
    text = one_line(unescape(_TAG.sub("", shown)))
    actual = _host(address)
    named = [next(filter(None, found.groups())) for found in _NAMED.finditer(text)]
    whole = _HOST_NAME.fullmatch(text)
    if (
        whole is not None
        and not _FILE_NAME.fullmatch(text)
        and actual != _ROOMS
        and whole[1].casefold() not in address.casefold()
    ):
        named.append(whole[1])
    return actual if any(_bare_host(host) != _bare_host(actual) for host in named) else ""


def _host(address: str) -> str:
    """Return the host of a web address, or the mail address of a ``mailto:`` link; else empty."""
    if address[:7].lower() == "mailto:":
        return address[7:].partition("?")[0]
    found = _HOST.fullmatch(address)
    return "" if found is None else found[2]


def _bare_host(name: str) -> str:
    return name.casefold().removeprefix("www.")


def bare(address: str) -> str:
    """Return the HTML of a link that shows its *address*."""
    shown = escape(_ENCODED.sub(_letters, address), quote=False)
    return f"{link(f'https://{address}' if address[0] in 'wW' else address)}{shown}</a>"


def _letters(found: re.Match[str]) -> str:
    letters = unquote(found[0], errors="replace")
    return letters if letters.isalnum() else found[0]


def _encoded(address: str) -> str:
    if _ENCODED_ALREADY.fullmatch(address):
        return address
    if not address.isascii() and (parts := _HOST.fullmatch(address)):
        with suppress(UnicodeError):  # the host name is not valid, so it stays as it is
            address = f"{parts[1]}{parts[2].encode('idna').decode()}{parts[3]}"
    return quote(address, safe=_UNENCODED)
