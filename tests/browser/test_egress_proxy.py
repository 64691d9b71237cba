"""What a page may reach beside the site, without a browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest

from bridge.browser.egress_proxy import Egress, bounded, first_that_answers, has_proxy
from bridge.origins import Address, is_public
from bridge.settings import BrowserSettings
from tests.support.waiting import LIMIT


@asynccontextmanager
async def echo() -> AsyncGenerator[int]:
    """Serve a port that says back what it is told."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def asked(head: str, named: Sequence[str] | None, may_reach: Callable[[Address], bool]) -> bytes:
    """Return the first line that the proxy says, and what comes back of `ping` behind it."""
    egress = Egress(named, may_reach)
    server = await asyncio.start_server(egress.accept, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    writer.write(head.encode() + b"\r\n\r\n")
    async with asyncio.timeout(LIMIT):
        said = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0]
        if b"200" in said:
            writer.write(b"ping")
            said += b" " + await reader.read(100)
    writer.close()
    server.close()
    await egress.close()
    return said


def anywhere(_: Address) -> bool:
    return True


async def test_an_allowed_host_is_reached_and_bytes_go_both_ways() -> None:
    async with echo() as port:
        head = f"CONNECT localhost:{port} HTTP/1.1\r\nhost: localhost"
        assert await asked(head, None, anywhere) == b"HTTP/1.1 200 Connection established ping"
        assert await asked(head, ["localhost"], anywhere) == b"HTTP/1.1 200 Connection established ping"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"])
async def test_a_name_or_address_of_this_machine_is_refused(host: str) -> None:
    async with echo() as port:
        assert b"403" in await asked(f"CONNECT {host}:{port} HTTP/1.1", None, is_public)
        assert b"403" in await asked(f"CONNECT {host}:{port} HTTP/1.1", [host], is_public)


@pytest.mark.parametrize(
    "head",
    ["GET http://localhost/ HTTP/1.1", "CONNECT localhost HTTP/1.1", "CONNECT :1 HTTP/1.1", "\0", "CONNECT a b c d"],
)
async def test_what_is_no_request_for_a_tunnel_is_refused(head: str) -> None:
    assert b"403" in await asked(head, None, anywhere)


async def test_a_host_that_is_not_named_is_refused() -> None:
    async with echo() as port:
        assert b"403" in await asked(f"CONNECT localhost:{port} HTTP/1.1", ["*.example.com"], anywhere)


async def test_the_site_itself_is_reached_directly() -> None:
    for origin, address in (
        ("https://chat.example.com", "chat.example.com:443"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("http://[::1]:8080", "[::1]:8080"),
        ("http://[::1]", "[::1]:80"),
    ):
        async with bounded(origin, (), BrowserSettings(), is_attached=False) as options:
            assert options["proxy"]["bypass"] == address
    for settings, is_attached in ((BrowserSettings(hosts="any"), False), (BrowserSettings(), True)):
        async with bounded("https://chat.example.com", (), settings, is_attached) as options:
            assert options == {}


def test_a_proxy_of_the_operators_own_stays_in_force() -> None:
    assert has_proxy(BrowserSettings(args=("--proxy-server=socks5://10.0.0.1:1080",)))


async def test_of_a_hosts_addresses_the_first_that_answers_is_taken() -> None:
    async with echo() as port:
        reader, writer = await first_that_answers(["127.0.0.2", "127.0.0.1"], port)
        writer.write(b"ping")
        async with asyncio.timeout(LIMIT):
            assert await reader.read(100) == b"ping"
        writer.close()
        with pytest.raises(OSError, match=r"127\.0\.0\.2"):
            await first_that_answers(["127.0.0.3", "127.0.0.2"], port)
