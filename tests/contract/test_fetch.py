"""Links of an answer: the bridge fetches files from the public internet only."""

from __future__ import annotations

import asyncio
import gzip
import socket
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from agent_bridge.core.errors import FileProblem, FileRefused, TooLarge
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.upstream.download.addresses import is_elsewhere
from agent_bridge.upstream.download.fetch import Fetched, Fetcher, _origin
from support.fault_server import FaultServer, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FORBIDDEN, UNREACHABLE = FileProblem.FORBIDDEN, FileProblem.UNREACHABLE
PNG = {"Content-Type": "image/png"}
QUICK = aiohttp.ClientTimeout(total=0.5)


class Namespace(AbstractResolver):
    """Resolves every name to the next of *answers*, and to the last one for ever."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        del family
        hosts = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [
            ResolveResult(
                hostname=host,
                host=each,
                port=port,
                family=socket.AF_INET6 if ":" in each else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for each in hosts
        ]

    async def close(self) -> None:
        pass


@pytest.fixture
async def server() -> AsyncIterator[FaultServer]:
    async with FaultServer() as server:
        yield server


@pytest.fixture
async def fetcher() -> AsyncIterator[Fetcher]:
    """A fetcher for which this machine is the public internet."""
    async with Fetcher(allow=lambda address: address.is_loopback, resolver=Namespace(["127.0.0.1"])) as fetcher:
        yield fetcher


def file(*pieces: bytes, status: int = 200, headers: dict[str, str] = PNG, **more: Any) -> Reply:
    return Reply(status, headers, pieces, **more)


def to(place: object, status: int = 302) -> Reply:
    return Reply(status, {"Location": str(place)})


async def refusal(fetcher: Fetcher, url: str, **options: Any) -> FileRefused:
    async with asyncio.timeout(10):
        with pytest.raises(FileRefused) as caught:
            await fetcher.fetch(url, **{"limit": 100, **options})
    return caught.value


async def test_a_file(fetcher: Fetcher, server: FaultServer) -> None:
    server.script(file(b"he", b"llo", headers={"Content-Type": "Image/PNG; a=b"}))
    fetched = await fetcher.fetch(f"{server.url}/files/cat%20one.png?x=1#y", limit=5, types=("image/",))
    assert fetched == Fetched(b"hello", "image/png", "cat one.png")
    (request,) = server.requests
    assert (request.method, request.path, request.query) == ("GET", "/v1/files/cat one.png", {"x": "1"})
    assert request.headers["Accept-Encoding"] == "identity"
    assert not {"Cookie", "Authorization", "Referer"} & {name.title() for name in request.headers}


@pytest.mark.parametrize(
    ("path", "disposition", "name"),
    [
        ("a/b.png", "", "b.png"),
        ("", "", "v1"),
        ("x", 'attachment; filename="cat.png"', "cat.png"),
        ("x", "attachment; filename=cat.png", "cat.png"),
        ("x", "attachment; filename*=UTF-8''%D0%BA%D0%BE%D1%82.png", "кот.png"),
        ("x", 'attachment; filename="../../etc/passwd"', "_.._etc_passwd"),
        ("x", 'attachment; filename="C:\\\\a.png"', "C_a.png"),
        ("x", "attachment; filename*=UTF-8''a%0A%00%E2%80%AEgnp.exe", "a_gnp.exe"),
        ("x", "attachment; filename*=nonsense''%ff", "ÿ"),
        ("x", "attachment; filename=..", "file"),
        ("x", "attachment", "x"),
        ("x", ";;;=", "x"),
        ("x", f"attachment; filename={'a' * 300}.png", "a" * 146 + ".png"),
        ("x", f"attachment; filename=a.{'b' * 300}", "a." + "b" * 148),
        ("%2e%2e%2f%00", "", "_"),
    ],
)
async def test_names(fetcher: Fetcher, server: FaultServer, path: str, disposition: str, name: str) -> None:
    server.script(file(b"a", headers={"Content-Disposition": disposition} if disposition else {}))
    assert (await fetcher.fetch(f"{server.url}/{path}".rstrip("/"), limit=1)).name == name


#: With the port of a server that would answer.
PRIVATE = [
    "http://127.0.0.1:{}/", "http://127.0.0.1:{}", "http://127.1:{}/", "http://127.0.1:{}/", "http://0:{}/",
    "http://0.0.0.0:{}/", "http://2130706433:{}/", "http://0x7f000001:{}/", "http://0x7f.1:{}/",
    "http://0x7f.0x0.0x0.0x1:{}/", "http://0177.0.0.1:{}/", "http://017700000001:{}/", "http://127.0.0.1.:{}/",
    "http://\uff11\uff12\uff17.\uff10.0.1:{}/", "http://127。0。0。1:{}/", "http://①②⑦.0.0.1:{}/",
    "http://localhost:{}/", "http://LOCALHOST:{}/", "HTTP://127.0.0.1:{}/",
    "http://[::1]:{}/", "http://[::]:{}/", "http://[0:0:0:0:0:0:0:1]:{}/", "http://[::ffff:127.0.0.1]:{}/",
    "http://[::ffff:7f00:1]:{}/", "http://[::127.0.0.1]:{}/", "http://[64:ff9b::127.0.0.1]:{}/",
    "http://[64:ff9b::8.8.8.8]:{}/", "http://[2002:7f00:1::]:{}/", "http://[fe80::1%25lo]:{}/", "http://[fc00::1]:{}/",
    "http://[fd00:ec2::254]:{}/", "http://[fec0::1]:{}/", "http://[ff02::1]:{}/", "http://10.0.0.1:{}/",
    "http://172.16.0.1:{}/", "http://192.168.1.1:{}/", "http://100.64.0.1:{}/", "http://169.254.169.254:{}/latest/",
    "http://0251.0376.0251.0376:{}/", "http://2852039166:{}/", "http://168.63.129.16:{}/", "http://100.100.100.200:{}/",
    "http://224.0.0.1:{}/", "http://255.255.255.255:{}/", "https://127.0.0.1:{}/", "https://[::1]:{}/",
]  # fmt: skip
NO_LINKS = [
    "", "/", "//127.0.0.1:{}/", "127.0.0.1:{}", "file:///etc/passwd", "FILE:///etc/passwd", "ftp://127.0.0.1:{}/",
    "gopher://127.0.0.1:{}/", "data:text/plain,a", "javascript:alert(1)", "unix:///var/run/docker.sock",
    "ws://127.0.0.1:{}/", "http:///etc/passwd", "http://", "http://:{}/", "http://[::1:{}/",
    "http://127.0.0.1:99999/", "http://127.0.0.1:x/", "http://user@127.0.0.1:{}/", "http://user:secret@127.0.0.1:{}/",
    "http://8.8.8.8@127.0.0.1:{}/", "http://127.0.0.1:0/",
]  # fmt: skip


@pytest.mark.parametrize("link", [*PRIVATE, *NO_LINKS])
async def test_hostile_links(server: FaultServer, link: str) -> None:
    async with Fetcher() as fetcher:
        error = await refusal(fetcher, link.replace("{}", str(URL(server.url).port)))
    assert error.problem is FORBIDDEN, error
    assert not server.requests


@pytest.mark.parametrize(
    "link",
    ["http://%31%32%37.0.0.1:{}/", "http://localhost.:{}/", "http://a.invalid:{}/", "http://[v1.a]:{}/",
     "http://a b:{}/", "http://\x00:{}/", f"http://{'a' * 300}:{{}}/"],
)  # fmt: skip
async def test_names_that_lead_nowhere_or_here(server: FaultServer, link: str) -> None:
    """The operating system decides how these names are resolved."""
    async with Fetcher() as fetcher:
        error = await refusal(fetcher, link.format(URL(server.url).port))
    assert error.problem in {FORBIDDEN, UNREACHABLE}
    assert not server.requests


@pytest.mark.parametrize("link", ["http://127.0.0.1:25/", "https://127.0.0.1:22/x.png", "http://127.0.0.1:1023/"])
async def test_ports_of_other_services_are_not_reached(server: FaultServer, link: str) -> None:
    async with Fetcher(allow=lambda _address: True) as fetcher:
        assert (await refusal(fetcher, link)).problem is FORBIDDEN
        server.script(to(link))
        assert (await refusal(fetcher, f"{server.url}/x")).problem is FORBIDDEN


@pytest.mark.parametrize("link", [link for link in PRIVATE if "https" not in link])
@pytest.mark.parametrize("status", [301, 307])
async def test_redirects_to_private_addresses(server: FaultServer, link: str, status: int) -> None:
    """The first address is allowed; the fetcher checks the second one as well."""
    own = URL(server.url)
    server.script(to(link.format(1), status))
    async with Fetcher() as fetcher:
        error = await refusal(fetcher, f"{own}/a", own=own)
    assert error.problem is FORBIDDEN
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "place", ["file:///etc/passwd", "gopher://127.0.0.1/", "data:,a", "http://a:b@127.0.0.1/", "http://[", ""]
)
async def test_redirects_to_no_web_address(fetcher: Fetcher, server: FaultServer, place: str) -> None:
    server.script(to(place))
    error = await refusal(fetcher, server.url)
    assert error.problem in {FORBIDDEN, UNREACHABLE}
    assert len(server.requests) == 1 or not place


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects(fetcher: Fetcher, server: FaultServer, status: int) -> None:
    server.script(*[to(place, status) for place in ("b", "/c/d", f"{server.url}/e", "?f", "//localhost.test:1025/")])
    server.script(to(f"{server.url}/never"))
    error = await refusal(fetcher, f"{server.url}/a/")
    assert error.problem is UNREACHABLE
    assert [request.path for request in server.requests] == ["/v1/a/", "/v1/a/b", "/c/d", "/v1/e", "/v1/e"]


@pytest.mark.parametrize(("hops", "arrives"), [(5, True), (6, False)])
async def test_five_redirects_are_enough(
    fetcher: Fetcher,
    server: FaultServer,
    hops: int,
    arrives: bool,  # noqa: FBT001
) -> None:
    server.script(*[to("x")] * hops, file(b"a"))
    if arrives:
        assert (await fetcher.fetch(server.url, limit=1)).data == b"a"
    else:
        assert "too often" in str(await refusal(fetcher, server.url))


async def test_media_of_the_upstream_itself_may_be_anywhere(server: FaultServer) -> None:
    async with Fetcher() as fetcher, FaultServer() as neighbour:
        server.script(file(b"a"), to("/v1/b"), file(b"b"), to(neighbour.url), to("/admin"))
        own = URL(server.url)
        assert (await fetcher.fetch(f"{server.url}/x", limit=1, own=own)).data == b"a"
        assert (await fetcher.fetch(f"{server.url}/y", limit=1, own=own)).data == b"b"
        for link in (f"{server.url}/n", f"{server.url}/m", neighbour.url, f"http://localhost:{own.port}/v1/x"):
            problem = (await refusal(fetcher, link, own=own)).problem
            assert problem is FORBIDDEN
        assert (await refusal(fetcher, f"{server.url}/x")).problem is FORBIDDEN
    assert len(server.requests) == 5
    assert not neighbour.requests


@pytest.mark.parametrize(
    "path",
    ["", "/", "/v1", "/v2/x", "/v1x/y", "/v1/../admin", "/v1/..%2fadmin", "/v1/%2e%2e/admin", "/v1/%252e%252e%252fa",
     "/v1/..\\admin", "/v1/a/../../admin"],
)  # fmt: skip
async def test_the_rest_of_the_upstreams_server_is_not_fetched(server: FaultServer, path: str) -> None:
    own = URL(server.url)
    async with Fetcher() as fetcher:
        assert (await refusal(fetcher, f"http://127.0.0.1:{own.port}{path}", own=own)).problem is FORBIDDEN
    assert not server.requests


@pytest.mark.parametrize(
    ("content_type", "fetched"),
    [("image/png", True), ("audio/ogg", True), ("application/pdf", True), ("application/octet-stream", True),
     ("application/json", False), ("text/html", False), ("text/event-stream", False)],
)  # fmt: skip
async def test_the_upstream_gives_media_and_no_data(
    server: FaultServer,
    content_type: str,
    fetched: bool,  # noqa: FBT001
) -> None:
    server.script(file(b"a", headers={"Content-Type": content_type}))
    async with Fetcher() as fetcher:
        if fetched:
            assert (await fetcher.fetch(f"{server.url}/x", limit=1, own=URL(server.url))).data == b"a"
        else:
            assert (await refusal(fetcher, f"{server.url}/x", own=URL(server.url))).problem is FileProblem.UNSUPPORTED


async def test_a_public_server_does_not_redirect_to_the_upstream(server: FaultServer) -> None:
    async with Fetcher(allow=lambda address: str(address) == "127.0.0.2") as fetcher:
        server.script(to(f"{server.url}/secret"))
        link = f"http://127.0.0.2:{URL(server.url).port}/public"
        assert (await refusal(fetcher, link, own=URL(server.url))).problem in {FORBIDDEN, UNREACHABLE}
    assert not [request for request in server.requests if "secret" in request.path]


@pytest.mark.parametrize(
    "answers",
    [
        ([["8.8.8.8"], ["127.0.0.1"]]),
        ([["127.0.0.1"]]),
        ([["169.254.169.254", "10.0.0.1", "::1"]]),
    ],
    ids=["rebinding", "private", "several"],
)
async def test_the_address_of_a_name_is_checked_at_connection(server: FaultServer, answers: list[list[str]]) -> None:
    port = URL(server.url).port
    names = Namespace(*answers)
    if len(answers) > 1:
        # An earlier look-up returned a public address.
        (looked,) = await names.resolve("rebind.test", 80)
        assert looked["host"] == "8.8.8.8"
    async with Fetcher(resolver=names) as fetcher:
        error = await refusal(fetcher, f"http://rebind.test:{port}/")
    assert error.problem is FORBIDDEN
    assert not server.requests


async def test_each_redirect_is_checked_again(server: FaultServer) -> None:
    """The name has a good address for the first request, and another one for the redirect."""
    seen = []

    def allow(address: Any) -> bool:
        seen.append(str(address))
        return len(seen) == 1

    server.script(to("/again"))
    async with Fetcher(allow=allow, resolver=Namespace(["127.0.0.1"])) as fetcher:
        error = await refusal(fetcher, f"http://rebind.test:{URL(server.url).port}/")
    assert error.problem is FORBIDDEN
    assert seen == ["127.0.0.1"] * 2
    assert len(server.requests) == 1


async def test_of_several_addresses_the_allowed_one_is_taken(server: FaultServer) -> None:
    server.script(file(b"a"))
    names = Namespace(["169.254.169.254", "127.0.0.1"])
    async with Fetcher(allow=lambda address: address.is_loopback, resolver=names) as fetcher:
        url = f"http://both.test:{URL(server.url).port}/"
        assert (await fetcher.fetch(url, limit=1)).data == b"a"


@pytest.mark.parametrize(
    ("reply", "size", "fits"),
    [
        (file(b"12345"), 5, True),
        (file(b"12345"), 4, False),
        (file(b"12345", headers={"Content-Length": "5"}), 5, True),
        (file(b"12345", headers={"Content-Length": "5"}), 4, False),
        (file(headers={"Content-Length": "99999999999"}, then="hang"), 5, False),
        (file(b"x" * 1000, then="repeat"), 1_000_000, False),
        (Reply(head=False, pieces=(b"HTTP/1.1 200 OK\r\n\r\n12345",), then="cut"), 5, True),
        (Reply(head=False, pieces=(b"HTTP/1.1 200 OK\r\n\r\n12345",), then="cut"), 4, False),
    ],
    ids=range(8),
)  # fmt: skip
async def test_bytes_are_bounded(
    fetcher: Fetcher,
    server: FaultServer,
    reply: Reply,
    size: int,
    fits: bool,  # noqa: FBT001
) -> None:
    server.script(reply)
    if fits:
        assert (await fetcher.fetch(server.url, limit=size)).data == b"12345"[:size]
    else:
        error = await refusal(fetcher, server.url, limit=size)
        assert isinstance(error, TooLarge)
        assert error.limit == size
    async with asyncio.timeout(5):
        await server.requests[0].over.wait()


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (file(b"a", status=404), UNREACHABLE),
        (file(b"a", status=500), UNREACHABLE),
        (file(b"a", status=206), UNREACHABLE),
        (file(status=304), UNREACHABLE),
        (file(b"a", headers={"Content-Type": "text/html"}), FileProblem.UNSUPPORTED),
        (file(b"a", headers={"Content-Type": "image"}), FileProblem.UNSUPPORTED),
        (file(gzip.compress(bytes(10)), headers=PNG | {"Content-Encoding": "gzip"}), UNREACHABLE),
        (file(b"a", headers=PNG | {"Content-Length": "50"}, then="cut"), UNREACHABLE),
        (file(b"a", then="hang"), UNREACHABLE),
        (file(b"a", pause=0.05, then="repeat"), UNREACHABLE),
        (Reply(head=False, then="hang"), UNREACHABLE),
        (Reply(head=False, then="cut"), UNREACHABLE),
        (Reply(head=False, pieces=(b"SSH-2.0\r\n",), then="cut"), UNREACHABLE),
        (Reply(head=False, pieces=(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n12345",), then="cut"), UNREACHABLE),
        (Reply(302), UNREACHABLE),
    ],
    ids=range(15),
)
async def test_responses_without_a_file(server: FaultServer, reply: Reply, problem: FileProblem) -> None:
    server.script(reply)
    async with Fetcher(allow=lambda address: address.is_loopback, timeout=QUICK) as fetcher:
        error = await refusal(fetcher, server.url, types=("image/",))
    assert error.problem is problem
    assert error.says(ENGLISH)


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "application/octet-stream"}, {"Content-Type": "image/x"}])
async def test_a_server_that_does_not_know_is_asked(
    fetcher: Fetcher, server: FaultServer, headers: dict[str, str]
) -> None:
    server.script(file(b"a", headers=headers))
    assert (await fetcher.fetch(server.url, limit=1, types=("image/",))).data == b"a"


async def test_no_server_at_the_address(fetcher: Fetcher) -> None:
    assert (await refusal(fetcher, "http://127.0.0.1:1025/")).problem is UNREACHABLE


async def test_no_cookies_are_kept(fetcher: Fetcher, server: FaultServer) -> None:
    server.script(file(b"a", headers={"Set-Cookie": "a=b"}), file(b"a"))
    for _ in range(2):
        await fetcher.fetch(server.url, limit=1)
    assert "Cookie" not in server.requests[1].headers


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://a/v1", "http://a:80/b?c#d", True),
        ("https://a:443", "https://A/", True),
        ("http://a", "https://a", False),
        ("http://a:80", "https://a:443", False),
        ("http://a:1", "http://a:2", False),
        ("http://a", "http://b", False),
        ("http://[::1]:5/", "http://[0::1]:5/", True),
    ],
)
def test_origins(one: str, other: str, same: bool) -> None:  # noqa: FBT001
    assert (_origin(URL(one)) == _origin(URL(other))) is same


def test_public_addresses() -> None:
    assert Fetcher()._allow is is_elsewhere
