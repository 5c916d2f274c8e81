"""The connections to an upstream: TLS, proxies, large heads, packed bodies and wrong schemes."""

from __future__ import annotations

import json
import socket
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent_bridge.core.errors import UpstreamError, UpstreamProtocolError, UpstreamRefused
from agent_bridge.i18n.english import ENGLISH
from agent_bridge.upstream.base import AgentInfo
from support.fault_server import FaultServer, Reply, sse
from support.upstream_kinds import ask, connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import aiohttp

HELLO = json.dumps({"choices": [{"delta": {"content": "Hello"}, "finish_reason": "stop"}]})
JSON = {"Content-Type": "application/json"}


def models(*ids: str, **headers: str) -> Reply:
    return Reply(200, {**JSON, **headers}, (json.dumps({"data": [{"id": name} for name in ids]}).encode(),))


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A file with a certificate for 127.0.0.1 and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(
        x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
    )
    own_key = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = tmp_path / "own.pem"
    file.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM) + own_key)
    return file


@pytest.fixture
async def tls_port(certificate: Path) -> AsyncIterator[int]:
    """The port of a server with TLS that has the agent Dora."""

    async def agents(_request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "Dora"}]})

    app = web.Application()
    app.router.add_get("/v1/models", agents)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def failure(
    url: str, session: aiohttp.ClientSession, connect_timeout: float = 10
) -> tuple[type[UpstreamError], str]:
    """Return the kind of the error for the list of agents, and its words."""
    with pytest.raises(UpstreamError) as caught:
        await connect(url, session, connect_timeout=connect_timeout).agents()
    return type(caught.value), caught.value.says(ENGLISH)


async def test_a_certificate_is_trusted_with_its_ca_file(
    tls_port: int, certificate: Path, session: aiohttp.ClientSession
) -> None:
    url = f"https://127.0.0.1:{tls_port}/v1"
    agents = await connect(url, session, ca_file=str(certificate)).agents()
    assert agents == (AgentInfo("Dora", "Dora", id_is_name=False, id_lasts=True),)
    kind, words = await failure(url, session)
    assert kind is UpstreamRefused
    assert words.startswith("the certificate of up is not trusted: is its ca_file correct?")


async def test_a_wrong_scheme_is_told(tls_port: int, wire: FaultServer, session: aiohttp.ClientSession) -> None:
    plain = f"https{wire.url.removeprefix('http')}"
    assert await failure(plain, session) == (
        UpstreamRefused,
        "up does not speak TLS: perhaps its url begins with http://",
    )
    _, words = await failure(f"http://127.0.0.1:{tls_port}/v1", session)
    assert words == "up sent no HTTP response: perhaps its url begins with https://"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        _, words = await failure(f"https://127.0.0.1:{silent.getsockname()[1]}/v1", session, 0.2)
    assert words == "up could not be reached within 0.2 s: perhaps its url begins with http://"


async def test_a_proxy_passes_all_requests_on(wire: FaultServer, session: aiohttp.ClientSession) -> None:
    wire.script(models("Dora"), sse(HELLO))
    upstream = connect("http://agents.invalid/v1", session, proxy=wire.url.removesuffix("/v1"))
    await upstream.agents()
    assert (await ask(upstream)).text == "Hello"
    assert [request.headers["Host"] for request in wire.requests] == ["agents.invalid"] * 2


async def test_a_large_head_is_read(wire: FaultServer, session: aiohttp.ClientSession) -> None:
    wire.script(models("Dora", **{"X-Large": "x" * 60_000}), sse(HELLO, headers={"X-Large": "x" * 60_000}))
    upstream = connect(wire.url, session)
    await upstream.agents()
    assert (await ask(upstream)).error is None


@pytest.mark.parametrize("encoding", ["br", "zstd"])
async def test_an_encoding_that_was_not_asked_for(
    wire: FaultServer, session: aiohttp.ClientSession, encoding: str
) -> None:
    wire.script(*[Reply(200, {**JSON, "Content-Encoding": encoding}, (b"packed",))] * 2)
    kind, words = await failure(wire.url, session)
    assert kind is UpstreamProtocolError
    assert words.startswith("up sends its responses in an encoding that the bridge did not ask for: ")
    answer = await ask(connect(wire.url, session))
    assert answer.error is not None
    assert answer.error.says(ENGLISH) == words
    assert all(encoding not in request.headers["Accept-Encoding"] for request in wire.requests)


async def test_a_question_has_a_connection_of_its_own(wire: FaultServer, session: aiohttp.ClientSession) -> None:
    wire.script(models("Dora"), sse(HELLO), models("Dora"))
    upstream = connect(wire.url, session)
    await upstream.agents()
    assert (await ask(upstream)).error is None
    await upstream.agents()
    listed, asked, again = wire.requests
    assert asked.headers["Connection"] == "close"
    assert "close" not in (listed.headers.get("Connection"), again.headers.get("Connection"))


async def test_certificates_that_cannot_be_read(
    wire: FaultServer, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    answer = await ask(connect(wire.url, session, ca_file=str(tmp_path / "none.pem")))
    assert answer.error is not None
    assert answer.error.says(ENGLISH) == "the ca_file of up cannot be read: No such file or directory"


async def test_the_parameters_of_a_query(wire: FaultServer, session: aiohttp.ClientSession) -> None:
    wire.script(models("Dora"), sse(HELLO))
    upstream = connect(wire.url, session, query={"api-version": "1"})
    await upstream.agents()
    assert (await ask(upstream)).error is None
    assert [request.query for request in wire.requests] == [{"api-version": "1"}] * 2
